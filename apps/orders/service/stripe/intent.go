package stripe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v86"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// metaOrder is the metadata of an intent, and of a refund, that has the order's key.
const metaOrder = "order"

// intentPrefix begins the ids of PaymentIntents.
const intentPrefix = "pi_"

// charge is expanded in every answer: it tells the amount refunded, the time, and whether the card can be
// captured more than once.
const charge = "latest_charge"

// retrieve gives an intent's present state.
func (p *Provider) retrieve(ctx context.Context, id string) (*stripe.PaymentIntent, error) {
	params := &stripe.PaymentIntentRetrieveParams{}
	params.AddExpand(charge)
	pi, err := p.api.V1PaymentIntents.Retrieve(ctx, id, params)
	if err != nil {
		return nil, failed(ctx, err)
	}
	return pi, nil
}

// find gives the intent that an authorisation's id names. Intents of other makers are not found.
func (p *Provider) find(ctx context.Context, id string) (*stripe.PaymentIntent, error) {
	if !strings.HasPrefix(id, intentPrefix) {
		return nil, fmt.Errorf("%w: %q", payment.ErrNotFound, id)
	}
	pi, err := p.retrieve(ctx, id)
	if e := refusal(err); e != nil && e.Code == stripe.ErrorCodeResourceMissing || err == nil && pi.Metadata[metaOrder] == "" {
		return nil, fmt.Errorf("%w: %q", payment.ErrNotFound, id)
	}
	return pi, err
}

// status is what an intent's stands for; empty while it is undecided.
func status(pi *stripe.PaymentIntent) payment.Status {
	switch pi.Status {
	case stripe.PaymentIntentStatusRequiresCapture, stripe.PaymentIntentStatusSucceeded:
		// A partially captured intent that is closed, or has expired, has succeeded.
		switch {
		case pi.AmountReceived == pi.Amount:
			return payment.Captured
		case pi.Status == stripe.PaymentIntentStatusSucceeded:
			return payment.Voided
		}
		return payment.Authorised
	case stripe.PaymentIntentStatusCanceled:
		if pi.CancellationReason == abandoned {
			return payment.Refused
		}
		return payment.Voided
	case stripe.PaymentIntentStatusRequiresPaymentMethod:
		// Only the card's error is an answer; others leave the intent as it was.
		if e := pi.LastPaymentError; e != nil && e.Type == stripe.ErrorTypeCard {
			return payment.Refused
		}
	}
	return ""
}

// authorisation is what a decided intent stands for.
func authorisation(pi *stripe.PaymentIntent) payment.Authorisation {
	currency := strings.ToUpper(string(pi.Currency))
	a := payment.Authorisation{
		ID: pi.ID, Key: pi.Metadata[metaOrder], Status: status(pi), At: at(pi.Created),
		Amount: money.New(pi.Amount, currency), Captured: money.New(pi.AmountReceived, currency), Refunded: money.New(0, currency),
	}
	if c := pi.LatestCharge; c != nil {
		a.At, a.Refunded.Amount = at(c.Created), c.AmountRefunded
	} else if a.Status == payment.Voided {
		a.ID = "" // closed before any attempt
	}
	if a.Status == payment.Refused {
		a.DeclineCode = payment.InvalidToken
		if e := pi.LastPaymentError; e != nil {
			a.DeclineCode = declineCode(e)
		}
	}
	return a
}

func at(unix int64) time.Time { return time.Unix(unix, 0).UTC() }

// declineCode is what a buyer may know. Stripe asks not to tell the issuer's suspicions, such as lost_card.
func declineCode(e *stripe.Error) string {
	switch {
	case e.Code != stripe.ErrorCodeCardDeclined:
		return string(e.Code)
	case e.DeclineCode == stripe.DeclineCodeInsufficientFunds:
		return payment.InsufficientFunds
	}
	return payment.CardDeclined
}

// Look gives an authorisation's present state. Errors: payment.ErrNotFound, and those of an unknown outcome.
func (p *Provider) Look(ctx context.Context, authorisationID string) (payment.Authorisation, error) {
	pi, err := p.find(ctx, authorisationID)
	if err != nil {
		return payment.Authorisation{}, err
	}
	return authorisation(pi), nil
}
