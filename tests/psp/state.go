package psp

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// state is all that the provider knows. It changes by entries only, so the journal rebuilds it.
type state struct {
	intents map[string]*intent
	order   []string            // of the intents' creation
	refunds map[string][]refund // by intent
	calls   map[string]recorded // by idempotency key
	pending []event             // not delivered, oldest first
}

// entry is a line of the journal: the state of what changed, after the change.
type entry struct {
	Intent    *intent   `json:"intent,omitempty"`
	Refund    *refund   `json:"refund,omitempty"`
	Call      *recorded `json:"call,omitempty"`
	Events    []event   `json:"events,omitempty"`
	Delivered string    `json:"delivered,omitempty"`
	Forget    bool      `json:"forget,omitempty"` // all idempotency keys
}

func (e entry) empty() bool {
	return e.Intent == nil && e.Refund == nil && e.Call == nil && len(e.Events) == 0 && e.Delivered == "" && !e.Forget
}

// recorded is the first answer under an idempotency key.
type recorded struct {
	Key         string          `json:"key"`
	Fingerprint string          `json:"fingerprint"`
	Status      int             `json:"status"`
	Body        json.RawMessage `json:"body"`
}

// intent is a PaymentIntent with the one charge that it can have.
type intent struct {
	ID            string            `json:"id"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	CaptureMethod string            `json:"captureMethod"`
	Multicapture  bool              `json:"multicapture,omitempty"` // asked for
	Metadata      map[string]string `json:"metadata,omitempty"`
	Created       int64             `json:"created"`
	Status        string            `json:"status"`
	Received      int64             `json:"received,omitempty"`
	Failures      int               `json:"failures,omitempty"` // of TokenError so far
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

// capturable is what is still held.
func (i *intent) capturable() int64 {
	if i.Status != requiresCapture {
		return 0
	}
	return i.Amount - i.Received
}

// clone gives a copy to change: what is in the state is never changed in place.
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
	return &state{intents: map[string]*intent{}, refunds: map[string][]refund{}, calls: map[string]recorded{}}
}

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
