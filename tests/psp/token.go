package psp

import (
	"net/http"
	"time"
)

// Tokens of the shop's sandbox. Stripe's own test tokens and payment methods for the same outcomes do too.
const (
	TokenVisa              = "tok_visa"               // is authorised, multicapture available
	TokenDeclined          = "tok_declined"           // is declined
	TokenInsufficientFunds = "tok_insufficient_funds" // is declined, for want of money
	TokenSlow              = "tok_slow"               // is authorised at once, the answer takes SlowAnswer
	TokenTimeout           = "tok_timeout"            // is authorised, and the first attempt is never answered
	TokenError             = "tok_error"              // fails twice with 500, then is authorised
	TokenSingleCapture     = "tok_single_capture"     // is authorised, multicapture unavailable
)

// SlowAnswer is how long TokenSlow takes.
const SlowAnswer = 2 * time.Second

const tokenErrors = 2

// silence ends even TokenTimeout's wait, should the client never hang up.
const silence = time.Minute

// outcomes are what tokens and payment methods lead to; nil is an authorisation.
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
	"pm_card_authenticationRequired":               {"authentication_required", "authentication_not_handled", "This payment requires authentication."},
}

var (
	cardDeclined      = decline{"card_declined", "generic_decline", "Your card was declined."}
	insufficientFunds = decline{"card_declined", "insufficient_funds", "Your card has insufficient funds."}
)

// linger holds the first answer to a confirmation back, as its token says. The change is in the journal by
// then, and the key in use, so repetitions conflict meanwhile.
func (s *Server) linger(r *http.Request, token string) {
	var wait time.Duration
	switch token {
	case TokenSlow:
		wait = SlowAnswer
	case TokenTimeout:
		wait = silence
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
