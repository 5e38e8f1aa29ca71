package psp

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// state is the state of the provider. Only entries change it, so that it can be rebuilt from the journal.
type state struct {
	intents map[string]*intent      // by id
	order   []string                // ids of the intents, oldest first
	refunds map[string][]refund     // by id of the intent
	calls   map[string]recordedCall // by idempotency key
	pending []event                 // events to deliver, oldest first
}

// entry is a line of the journal. It contains each changed object in its state after the change.
type entry struct {
	Intent    *intent       `json:"intent,omitempty"`
	Refund    *refund       `json:"refund,omitempty"`
	Call      *recordedCall `json:"call,omitempty"`
	Events    []event       `json:"events,omitempty"`
	Delivered string        `json:"delivered,omitempty"` // id of an event
	Forget    bool          `json:"forget,omitempty"`    // deletes all idempotency keys
}

func (e entry) empty() bool {
	return e.Intent == nil && e.Refund == nil && e.Call == nil && len(e.Events) == 0 && e.Delivered == "" && !e.Forget
}

// recordedCall is the answer to the first request with an idempotency key.
type recordedCall struct {
	Key         string          `json:"key"`
	Fingerprint string          `json:"fingerprint"`
	Status      int             `json:"status"`
	Body        json.RawMessage `json:"body"`
}

// intent is a PaymentIntent with its charge. It has at most one.
type intent struct {
	ID            string            `json:"id"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	CaptureMethod string            `json:"captureMethod"`
	Multicapture  bool              `json:"multicapture,omitempty"` // requested
	Metadata      map[string]string `json:"metadata,omitempty"`
	Created       int64             `json:"created"`
	Status        string            `json:"status"`
	Received      int64             `json:"received,omitempty"`
	Failures      int               `json:"failures,omitempty"` // how often TokenError has failed
	Decline       *decline          `json:"decline,omitempty"`
	CanceledAt    int64             `json:"canceledAt,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Charge        *charge           `json:"charge,omitempty"`
	Movements     []Movement        `json:"movements"`
}

type decline struct {
	Code        string `json:"code"`
	DeclineCode string `json:"declineCode,omitempty"`
	Message     string `json:"message"`
}

type charge struct {
	ID           string `json:"id"`
	Created      int64  `json:"created"`
	Failed       bool   `json:"failed,omitempty"`
	Multicapture bool   `json:"multicapture,omitempty"` // available
	Final        bool   `json:"final,omitempty"`        // no further capture
	Refunded     int64  `json:"refunded,omitempty"`
}

type refund struct {
	ID       string            `json:"id"`
	Intent   string            `json:"intent"`
	Charge   string            `json:"charge"`
	Amount   int64             `json:"amount"`
	Currency string            `json:"currency"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Created  int64             `json:"created"`
}

// capturable returns the amount that is still reserved.
func (i *intent) capturable() int64 {
	if i.Status != requiresCapture {
		return 0
	}
	return i.Amount - i.Received
}

// clone returns a copy to change. An intent in the state is never changed in place.
func (i *intent) clone() *intent {
	c := *i
	c.Metadata = maps.Clone(i.Metadata)
	c.Movements = slices.Clone(i.Movements)
	if i.Charge != nil {
		charge := *i.Charge
		c.Charge = &charge
	}
	return &c
}

func newState() *state {
	return &state{intents: map[string]*intent{}, refunds: map[string][]refund{}, calls: map[string]recordedCall{}}
}

// apply applies an entry of the journal.
func (s *state) apply(e entry) {
	if e.Intent != nil {
		if s.intents[e.Intent.ID] == nil {
			s.order = append(s.order, e.Intent.ID)
		}
		s.intents[e.Intent.ID] = e.Intent
	}
	if e.Refund != nil {
		s.refunds[e.Refund.Intent] = append(s.refunds[e.Refund.Intent], *e.Refund)
	}
	if e.Forget {
		clear(s.calls)
	}
	if e.Call != nil {
		s.calls[e.Call.Key] = *e.Call
	}
	s.pending = append(s.pending, e.Events...)
	if e.Delivered != "" {
		s.pending = slices.DeleteFunc(s.pending, func(ev event) bool { return ev.ID == e.Delivered })
	}
}

func newID(kind string) string { return kind + "_" + rand.Text() }

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
