package payment

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

// The sandbox's tokens. Any other is declined as InvalidToken.
const (
	TokenVisa              = "tok_visa"               // succeeds
	TokenDeclined          = "tok_declined"           // is declined: CardDeclined
	TokenInsufficientFunds = "tok_insufficient_funds" // is declined: InsufficientFunds
	TokenSlow              = "tok_slow"               // succeeds at once, but the first attempt hears of it after SlowAnswer
	TokenTimeout           = "tok_timeout"            // succeeds, but the first attempt never hears of it
	TokenError             = "tok_error"              // fails twice with ErrProvider, then succeeds
	TokenSingleCapture     = "tok_single_capture"     // succeeds, and is captured wholly or not at all
)

// SlowAnswer is how long TokenSlow takes.
const SlowAnswer = 2 * time.Second

const tokenErrors = 2

// Sandbox is a provider without money: deterministic by token, durable in a state store, and safe for
// any number of replicas over the same one. An order is one document, "payment/<key>", of some 200
// bytes and 150 more for each capture or refund.
type Sandbox struct {
	state sidecar.State
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

var _ Provider = (*Sandbox)(nil)

// NewSandbox makes a sandbox over a state store. sleep returns an error if ctx ends first: see Sleep.
func NewSandbox(state sidecar.State, now func() time.Time, sleep func(context.Context, time.Duration) error) *Sandbox {
	return &Sandbox{state: state, now: now, sleep: sleep}
}

// Sleep waits for d, or returns ctx's error if that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// record is the stored document. Its names are durable.
type record struct {
	Status      Status      `json:"status,omitempty"` // empty while TokenError fails
	Token       string      `json:"token,omitempty"`
	Amount      money.Money `json:"amount,omitzero"`
	Captured    money.Money `json:"captured,omitzero"`
	Refunded    money.Money `json:"refunded,omitzero"`
	DeclineCode string      `json:"declineCode,omitempty"`
	At          time.Time   `json:"at,omitzero"`
	// Attempts have ids, so that one whose write was answered with an error, or overwritten before it
	// was read back, still knows its own.
	Decider   string     `json:"decider,omitempty"` // the attempt that decided
	Failed    []string   `json:"failed,omitempty"`  // the attempts that ended in ErrProvider
	Movements []movement `json:"movements,omitempty"`
}

type movement struct {
	ID     string      `json:"id"`
	Kind   string      `json:"kind"`
	Key    string      `json:"key"`
	Amount money.Money `json:"amount"`
	At     time.Time   `json:"at"`
}

const (
	capture = "capture"
	refund  = "refund"
)

const idPrefix = "sandbox_"

// arrived reports whether an attempt did, and so whether Token means something.
func (r record) arrived() bool { return r.Decider != "" || len(r.Failed) > 0 }

// fix binds the key to the first amount that comes with it.
func (r *record) fix(amount money.Money) error {
	if r.Amount.Amount == 0 {
		r.Amount = amount
		r.Captured, r.Refunded = money.New(0, amount.Currency), money.New(0, amount.Currency)
	}
	if r.Amount != amount {
		return ErrKeyReused
	}
	return nil
}

func (r record) authorisation(key string) Authorisation {
	a := Authorisation{
		Key: key, Amount: r.Amount, Captured: r.Captured, Refunded: r.Refunded,
		Status: r.Status, DeclineCode: r.DeclineCode, At: r.At,
	}
	if r.Decider != "" {
		a.ID = idPrefix + key
	}
	return a
}

// Authorise implements Provider.
func (s *Sandbox) Authorise(ctx context.Context, key string, amount money.Money, token string) (Authorisation, error) {
	if err := errors.Join(CheckKey(key), CheckAmount(amount)); err != nil {
		return Authorisation{}, err
	}
	attempt := rand.Text()
	r, err := s.change(ctx, key, guess, func(r *record) (bool, error) {
		switch {
		case r.fix(amount) != nil || r.arrived() && r.Token != token:
			return false, fmt.Errorf("%w: %s", ErrKeyReused, key)
		case r.Status != "" || slices.Contains(r.Failed, attempt):
			return false, nil
		}
		r.Token = token
		if token == TokenError && len(r.Failed) < tokenErrors {
			r.Failed = append(r.Failed, attempt)
			return true, nil
		}
		r.Status, r.DeclineCode = outcome(token)
		r.Decider, r.At = attempt, s.time()
		return true, nil
	})
	if err != nil {
		return Authorisation{}, err
	}
	if slices.Contains(r.Failed, attempt) {
		return Authorisation{}, fmt.Errorf("%w: %s", ErrProvider, token)
	}
	if r.Decider == attempt {
		if r, err = s.delay(ctx, key, r); err != nil {
			return Authorisation{}, err
		}
	}
	a := r.authorisation(key)
	return a, a.Err()
}

func outcome(token string) (Status, string) {
	switch token {
	case TokenVisa, TokenSlow, TokenTimeout, TokenError, TokenSingleCapture:
		return Authorised, ""
	case TokenDeclined:
		return Refused, CardDeclined
	case TokenInsufficientFunds:
		return Refused, InsufficientFunds
	}
	return Refused, InvalidToken
}

// delay holds the answer to the deciding attempt back, as its token says. The decision is stored by
// then: a caller too impatient for TokenSlow finds it, instead of starting the wait anew for ever.
func (s *Sandbox) delay(ctx context.Context, key string, r record) (record, error) {
	switch r.Token {
	case TokenTimeout:
		<-ctx.Done()
		return record{}, failed(ctx, ctx.Err())
	case TokenSlow:
		if err := s.sleep(ctx, SlowAnswer); err != nil {
			return record{}, failed(ctx, err)
		}
		now, _, err := s.read(ctx, key) // it may have been voided meanwhile
		return now, err
	}
	return r, nil
}

// Find gives what is known under the order's key, in whatever status. False means that nothing has been
// decided under it so far; an attempt may still be on its way.
func (s *Sandbox) Find(ctx context.Context, key string) (Authorisation, bool, error) {
	if err := CheckKey(key); err != nil {
		return Authorisation{}, false, err
	}
	r, _, err := s.read(ctx, key)
	if err != nil || r.Status == "" {
		return Authorisation{}, false, err
	}
	return r.authorisation(key), true, nil
}

// Void implements Provider.
func (s *Sandbox) Void(ctx context.Context, key string, amount money.Money, authorisationID string) (Authorisation, error) {
	if err := errors.Join(CheckKey(key), CheckAmount(amount)); err != nil {
		return Authorisation{}, err
	}
	r, err := s.change(ctx, key, read, func(r *record) (bool, error) {
		if authorisationID != "" && (r.Decider == "" || authorisationID != idPrefix+key) {
			return false, fmt.Errorf("%w: %q under %s", ErrNotFound, authorisationID, key)
		}
		if err := r.fix(amount); err != nil {
			return false, fmt.Errorf("%w: %s", err, key)
		}
		switch r.Status {
		case "":
			r.At = s.time()
		case Authorised:
		default:
			return false, nil
		}
		r.Status = Voided
		return true, nil
	})
	if err != nil {
		return Authorisation{}, err
	}
	return r.authorisation(key), nil
}

func (s *Sandbox) time() time.Time { return s.now().UTC().Round(0) }

func stateKey(key string) string { return "payment/" + key }

// read gives a key's record, zero if it has none, and its ETag.
func (s *Sandbox) read(ctx context.Context, key string) (r record, etag string, err error) {
	item, err := s.state.Get(ctx, stateKey(key))
	if err != nil {
		return record{}, "", failed(ctx, err)
	}
	if item.Found() {
		if err := json.Unmarshal(item.Value, &r); err != nil {
			return record{}, "", fmt.Errorf("payment: document of %s: %w", key, err)
		}
	}
	return r, item.ETag, nil
}

// Export hands out the documents of orders' keys as they are stored; a key without one has none.
func (s *Sandbox) Export(ctx context.Context, keys []string, put func(sidecar.Item) error) error {
	stored := make([]string, len(keys))
	for i, key := range keys {
		stored[i] = stateKey(key)
	}
	items, err := s.state.GetMany(ctx, stored)
	if err != nil {
		return failed(ctx, err)
	}
	for _, key := range stored {
		if item, ok := items[key]; ok {
			if err := put(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// start says what change begins with.
type start int

const (
	read  start = iota // what the store has
	guess              // that it has nothing: a new key then costs a write and no read
)

// change lets decide alter a key's record, and writes it if that says so; when another writer comes in
// between, decide is asked again on what that wrote. Of contenders one always gets on, so the loop ends.
func (s *Sandbox) change(ctx context.Context, key string, at start, decide func(*record) (write bool, err error)) (record, error) {
	for ; ; at = read {
		var r record
		var etag string
		var err error
		if at == read {
			if r, etag, err = s.read(ctx, key); err != nil {
				return record{}, err
			}
		}
		write, err := decide(&r)
		if err != nil || !write {
			return r, err
		}
		value, err := json.Marshal(r)
		if err != nil {
			return record{}, err
		}
		if etag == "" {
			err = s.state.Create(ctx, stateKey(key), value)
		} else {
			err = s.state.Put(ctx, stateKey(key), value, etag)
		}
		switch {
		case err == nil:
			return r, nil
		case !errors.Is(err, sidecar.ErrExists) && !errors.Is(err, sidecar.ErrStale):
			return record{}, failed(ctx, err)
		}
	}
}

// failed says whether the store failed or the caller's time was up.
func failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return fmt.Errorf("%w: %w", ErrProvider, err)
}
