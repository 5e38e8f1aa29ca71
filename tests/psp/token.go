package psp

import (
	"net/http"
	"time"
)

// Payment tokens, the same as those of the sandbox adapter. Stripe's test tokens and test payment methods for the same
// outcomes work too.
const (
	TokenVisa              = "tok_visa"               // authorised, with multicapture available
	TokenDeclined          = "tok_declined"           // declined
	TokenInsufficientFunds = "tok_insufficient_funds" // declined because of insufficient funds
	TokenSlow              = "tok_slow"               // authorised at once, but the answer takes SlowAnswer
	TokenTimeout           = "tok_timeout"            // authorised, but the first attempt is never answered
	TokenError             = "tok_error"              // fails twice with 500, then authorised
	TokenSingleCapture     = "tok_single_capture"     // authorised, with multicapture unavailable
)

// SlowAnswer is how long the answer to TokenSlow takes.
const SlowAnswer = 2 * time.Second

// tokenErrors is how often TokenError fails.
const tokenErrors = 2

// longestSilence is after how long TokenTimeout cuts the connection if the client does not close it.
const longestSilence = time.Minute

// outcomes are the outcomes of tokens and payment methods; nil means authorised.
var outcomes = map[string]*decline{
	TokenVisa: nil, TokenSlow: nil, TokenTimeout: nil, TokenError: nil, TokenSingleCapture: nil, "pm_card_visa": nil,
	TokenDeclined:                                  &cardDeclined,
	"tok_chargeDeclined":                           &cardDeclined,
	TokenInsufficientFunds:                         &insufficientFunds,
	"tok_chargeDeclinedInsufficientFunds":          &insufficientFunds,
	"pm_card_visa_chargeDeclined":                  &cardDeclined,
	"pm_card_visa_chargeDeclinedLostCard":          {"card_declined", "lost_card", "Your card was declined."},
	"pm_card_visa_chargeDeclinedInsufficientFunds": &insufficientFunds,
	"pm_card_chargeDeclinedExpiredCard":            {"expired_card", "expired_card", "Your card has expired."},
	"pm_card_authenticationRequired": {
		"authentication_required", "authentication_not_handled", "This payment requires authentication."},
}

var (
	cardDeclined      = decline{"card_declined", "generic_decline", "Your card was declined."}
	insufficientFunds = decline{"card_declined", "insufficient_funds", "Your card has insufficient funds."}
)

// delayAnswer delays the first answer to a confirmation if its token requires it. The change is recorded before, and
// the idempotency key is in use meanwhile, so a repeated request gets a conflict.
func (s *Server) delayAnswer(r *http.Request, token string) {
	var wait time.Duration
	switch token {
	case TokenSlow:
		wait = SlowAnswer
	case TokenTimeout:
		wait = longestSilence
	default:
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	case <-s.ctx.Done():
	}
	if token == TokenTimeout {
		panic(http.ErrAbortHandler)
	}
}
