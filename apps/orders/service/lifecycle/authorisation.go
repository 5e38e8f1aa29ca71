package lifecycle

import (
	"context"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/fault"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// ReadAuthorisation reads the present state of an authorisation from the payment provider.
type ReadAuthorisation func(ctx context.Context, authorisationID string) (payment.Authorisation, error)

// CheckAuthorisation handles a webhook about the payment of an order: it ends what is not shipped if the provider has
// ended the authorisation. It trusts nothing that the webhook says, because a webhook may be old or repeated; it asks
// the provider. A webhook about another order or authorisation on the same account changes nothing. Problem:
// unavailable (503).
func (l *Lifecycle) CheckAuthorisation(
	ctx context.Context, orderID, authorisationID string, read ReadAuthorisation,
) error {
	if orderID == "" {
		return nil
	}
	o, _, err := l.Orders.Get(ctx, orderID)
	switch {
	case fault.Is(err, "not-found"):
		return nil
	case err != nil:
		return err
	case o.Status == order.Placing:
		return l.EnsureRunning(ctx, o.OrderID)
	case !o.AwaitsShipment() || o.Duties().Any() || authorisationID != o.Payment.Authorisation:
		return nil
	}
	authorisation, err := read(ctx, authorisationID)
	if err != nil {
		return fault.New(fault.Unavailable, "unavailable", "The payment provider does not answer just now.").Because(err)
	}
	if authorisation.Status != payment.Voided {
		return nil
	}
	o, version, err := l.endExpired(ctx, o)
	if err != nil {
		return err
	}
	telemetry.Log(ctx).Info().Str(field.Order, o.OrderID).
		Msg("cancelled what is not shipped, because the payment provider has ended the authorisation")
	l.CompleteNow(ctx, o, version)
	return nil
}
