// Package sandbox is a payment provider that moves no money. It answers by token, stores what it did, and works with
// any number of replicas over the same state store. It implements the port of package payment.
package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

// The tokens. Any other token is declined as payment.InvalidToken.
const (
	TokenVisa              = "tok_visa"               // succeeds
	TokenDeclined          = "tok_declined"           // is declined: payment.CardDeclined
	TokenInsufficientFunds = "tok_insufficient_funds" // is declined: payment.InsufficientFunds
	TokenSlow              = "tok_slow"               // succeeds, but the first attempt gets its answer after SlowAnswer
	TokenTimeout           = "tok_timeout"            // succeeds, but the first attempt gets no answer
	TokenError             = "tok_error"              // fails twice with payment.ErrProvider, then succeeds
	TokenSingleCapture     = "tok_single_capture"     // succeeds, and can be captured only once, and wholly
)

// SlowAnswer is how long the first attempt with TokenSlow takes.
const SlowAnswer = 2 * time.Second

// tokenErrors is how many attempts with TokenError fail.
const tokenErrors = 2

// Provider implements payment.Provider over a state store. It is safe for concurrent use.
type Provider struct {
	state sidecar.State
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

var _ payment.Provider = (*Provider)(nil)

// New makes a provider over a state store. sleep returns an error if ctx ends first: see Sleep.
func New(state sidecar.State, now func() time.Time, sleep func(context.Context, time.Duration) error) *Provider {
	return &Provider{state: state, now: now, sleep: sleep}
}

// Sleep waits for d, or returns ctx's error if ctx ends first.
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

func (p *Provider) time() time.Time { return p.now().UTC().Round(0) }

// Authorise implements payment.Provider.
func (p *Provider) Authorise(ctx context.Context, key string, amount money.Money,
	token string) (payment.Authorisation, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Authorisation{}, err
	}
	attempt := rand.Text()
	r, err := p.changeNew(ctx, key, func(r *record) (write bool, err error) {
		switch {
		case r.bindAmount(amount) != nil || r.attempted() && r.Token != token:
			return false, fmt.Errorf("%w: %s", payment.ErrKeyReused, key)
		case r.Status != "" || slices.Contains(r.Failed, attempt):
			return false, nil
		}
		r.Token = token
		if token == TokenError && len(r.Failed) < tokenErrors {
			r.Failed = append(r.Failed, attempt)
			return true, nil
		}
		r.Status, r.DeclineCode = outcomeOf(token)
		r.Decider, r.At = attempt, p.time()
		return true, nil
	})
	if err != nil {
		return payment.Authorisation{}, err
	}
	if slices.Contains(r.Failed, attempt) {
		return payment.Authorisation{}, fmt.Errorf("%w: %s", payment.ErrProvider, token)
	}
	if r.Decider == attempt {
		if r, err = p.delayAnswer(ctx, key, r); err != nil {
			return payment.Authorisation{}, err
		}
	}
	a := r.authorisation(key)
	return a, a.Err()
}

func outcomeOf(token string) (payment.Status, string) {
	switch token {
	case TokenVisa, TokenSlow, TokenTimeout, TokenError, TokenSingleCapture:
		return payment.Authorised, ""
	case TokenDeclined:
		return payment.Refused, payment.CardDeclined
	case TokenInsufficientFunds:
		return payment.Refused, payment.InsufficientFunds
	}
	return payment.Refused, payment.InvalidToken
}

// delayAnswer delays the answer to the deciding attempt as its token says. The decision is stored before, so a caller
// whose timeout is shorter than SlowAnswer finds it at the next attempt.
func (p *Provider) delayAnswer(ctx context.Context, key string, r record) (record, error) {
	switch r.Token {
	case TokenTimeout:
		<-ctx.Done()
		return record{}, storeError(ctx, ctx.Err())
	case TokenSlow:
		if err := p.sleep(ctx, SlowAnswer); err != nil {
			return record{}, storeError(ctx, err)
		}
		return p.read(ctx, key) // it may have been voided meanwhile
	}
	return r, nil
}

// Find returns the state of the order's key. False means that nothing is decided under the key yet; an attempt may be
// in progress.
func (p *Provider) Find(ctx context.Context, key string) (payment.Authorisation, bool, error) {
	if err := payment.CheckKey(key); err != nil {
		return payment.Authorisation{}, false, err
	}
	r, err := p.read(ctx, key)
	if err != nil || r.Status == "" {
		return payment.Authorisation{}, false, err
	}
	return r.authorisation(key), true, nil
}

// Void implements payment.Provider.
func (p *Provider) Void(ctx context.Context, key string, amount money.Money,
	authorisationID string) (payment.Authorisation, error) {
	if err := errors.Join(payment.CheckKey(key), payment.CheckAmount(amount)); err != nil {
		return payment.Authorisation{}, err
	}
	r, err := p.change(ctx, key, func(r *record) (write bool, err error) {
		if authorisationID != "" && (r.Decider == "" || authorisationID != idPrefix+key) {
			return false, fmt.Errorf("%w: %q under %s", payment.ErrNotFound, authorisationID, key)
		}
		if err := r.bindAmount(amount); err != nil {
			return false, fmt.Errorf("%w: %s", err, key)
		}
		switch r.Status {
		case "":
			r.At = p.time()
		case payment.Authorised:
		default:
			return false, nil
		}
		r.Status = payment.Voided
		return true, nil
	})
	if err != nil {
		return payment.Authorisation{}, err
	}
	return r.authorisation(key), nil
}
