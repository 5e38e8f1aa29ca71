// Package intent reads Stripe's PaymentIntents: the authorisation that an intent stands for, and the captures that the
// adapter has noted in its metadata. It calls nothing.
package intent

import (
	"strings"
	"time"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// MetaOrder is the metadata of an intent, and of a refund, that has the order's key.
const MetaOrder = "order"

// Abandoned is the reason with which the adapter cancels an intent whose token does not exist: Stripe does not record
// that in any other way.
const Abandoned = stripe.PaymentIntentCancellationReasonAbandoned

// Status is the status of the authorisation; empty while the intent is undecided.
func Status(pi *stripe.PaymentIntent) payment.Status {
	switch pi.Status {
	case stripe.PaymentIntentStatusRequiresCapture, stripe.PaymentIntentStatusSucceeded:
		// An intent that was captured in part, and is closed or has expired, has the status succeeded.
		switch {
		case pi.AmountReceived == pi.Amount:
			return payment.Captured
		case pi.Status == stripe.PaymentIntentStatusSucceeded:
			return payment.Voided
		}
		return payment.Authorised
	case stripe.PaymentIntentStatusCanceled:
		if pi.CancellationReason == Abandoned {
			return payment.Refused
		}
		return payment.Voided
	case stripe.PaymentIntentStatusRequiresPaymentMethod:
		// Only an error of the card decides. After other errors the intent is as it was.
		if e := pi.LastPaymentError; e != nil && e.Type == stripe.ErrorTypeCard {
			return payment.Refused
		}
	}
	return ""
}

// Authorisation is the authorisation of a decided intent. The intent has its latest charge expanded.
func Authorisation(pi *stripe.PaymentIntent) payment.Authorisation {
	currency := strings.ToUpper(string(pi.Currency))
	a := payment.Authorisation{
		ID: pi.ID, Key: pi.Metadata[MetaOrder], Status: Status(pi), At: Time(pi.Created),
		Amount: money.New(pi.Amount, currency), Captured: money.New(pi.AmountReceived, currency),
		Refunded: money.New(0, currency),
	}
	if c := pi.LatestCharge; c != nil {
		a.At, a.Refunded.Amount = Time(c.Created), c.AmountRefunded
	} else if a.Status == payment.Voided {
		a.ID = "" // closed before any attempt
	}
	if a.Status == payment.Refused {
		a.DeclineCode = payment.InvalidToken
		if e := pi.LastPaymentError; e != nil {
			a.DeclineCode = DeclineCode(e)
		}
	}
	return a
}

// Time is a time of Stripe's.
func Time(unix int64) time.Time { return time.Unix(unix, 0).UTC() }

// DeclineCode is the code that the buyer may see. Stripe asks not to show the suspicions of the card's issuer, such as
// lost_card.
func DeclineCode(e *stripe.Error) string {
	switch {
	case e.Code != stripe.ErrorCodeCardDeclined:
		return string(e.Code)
	case e.DeclineCode == stripe.DeclineCodeInsufficientFunds:
		return payment.InsufficientFunds
	}
	return payment.CardDeclined
}
