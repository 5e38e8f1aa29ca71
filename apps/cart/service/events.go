package service

import (
	"context"
	"encoding/json"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// ordered handles TopicOrders: a confirmed order leaves the cart it was placed from.
func (s *Service) ordered(ctx context.Context, d sidecar.Delivery) sidecar.Outcome {
	var event contract.Event
	if err := json.Unmarshal(d.Data, &event); err != nil {
		telemetry.Log(ctx).Error().Err(err).Str("topic", d.Topic).Msg("event is not understood")
		return sidecar.Drop
	}
	if event.Type != contract.OrderConfirmed {
		return sidecar.Done
	}
	var fact contract.OrderFact
	if err := json.Unmarshal(event.Data, &fact); err != nil || fact.OrderID == "" {
		telemetry.Log(ctx).Error().Err(err).Str("event", event.ID).Msg("order is not understood")
		return sidecar.Drop
	}
	_, err := again(func() (struct{}, error) { return struct{}{}, s.takeOut(ctx, fact.CartID, fact.CartVersion, fact) })
	switch {
	case err == nil, fault.Is(err, "not-found"): // a guest's cart may have expired
		return sidecar.Done
	case fault.Of(err).Kind == fault.Unavailable:
		telemetry.Log(ctx).Warn().Err(err).Str("event", event.ID).Msg("cart not emptied yet")
		return sidecar.Retry
	}
	telemetry.Log(ctx).Error().Err(err).Str("event", event.ID).Msg("cart not emptied")
	return sidecar.Drop
}

// takeOut follows a cart that was claimed after its order to the cart that it was merged into, whose
// versions are its own: there only the ordered quantities leave.
func (s *Service) takeOut(ctx context.Context, id string, version int64, fact contract.OrderFact) error {
	c, err := s.carts.load(ctx, id)
	if err != nil {
		return err
	}
	if user := c.ClaimedBy(); user != "" && id != ownID(user) {
		return s.takeOut(ctx, ownID(user), 0, fact)
	}
	lines := make([]cart.Quantity, len(fact.Lines))
	for i, l := range fact.Lines {
		lines[i] = cart.Quantity{SKU: l.SKU, Quantity: l.Quantity}
	}
	c.Ordered(fact.OrderID, version, lines)
	return s.carts.save(ctx, c)
}
