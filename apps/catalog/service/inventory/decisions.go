package inventory

import (
	"context"
	"errors"
	"strings"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
	"haberdash/internal/strictjson"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Decisions of orders: see contract.OrderDecision.
const (
	confirmed = "confirmed"
	rejected  = "rejected"
	cancelled = "cancelled"
	unknown   = "unknown"
)

// newConsumer applies the decisions of orders. The handlers are idempotent, and the order of the events does not
// matter: a release is final. So a batch of events becomes one commit of the stock's log.
func (s *Service) newConsumer() *consumer.Consumer {
	handlers := map[string]consumer.Handler{
		contract.OrderConfirmed: s.orderDecided(confirmed),
		contract.OrderRejected:  s.orderDecided(rejected),
		contract.OrderCancelled: s.orderDecided(cancelled),
	}
	batches := map[string]consumer.BatchHandler{}
	for event, handler := range handlers {
		batches[event] = consumer.Concurrently(handler)
	}
	handlers[contract.UserDeleted] = s.userDeleted
	return consumer.New(consumer.Options{
		State: s.State, Fetch: consumer.FetchFrom(s.Invoker), Now: s.Now, Handlers: handlers, Batches: batches,
	})
}

func (s *Service) orderDecided(decision string) consumer.Handler {
	return func(ctx context.Context, e contract.Event) error {
		order, err := decodeOrder(e)
		if err != nil {
			return consumer.Permanent(err)
		}
		err = s.applyDecision(ctx, order, decision)
		if f := fault.Of(err); err != nil && (f.Kind == fault.NotFound || f.Kind == fault.Conflict) {
			// A repetition would fail in the same way.
			telemetry.Log(ctx).Error().Err(err).Str(field.Order, order).Str(field.EventType, e.Type).
				Msg("cannot apply the decision of an order: its reservation is missing, incomplete or released")
			return nil
		}
		return err
	}
}

// applyDecision commits or releases an order's hold. The hold of an order that is still being placed stays.
func (s *Service) applyDecision(ctx context.Context, order, decision string) (err error) {
	switch decision {
	case confirmed:
		_, err = s.Stock.Commit(ctx, order)
	case rejected, cancelled:
		_, err = s.Stock.Release(ctx, order)
	default:
		return nil
	}
	failpoint.Reach(afterDecision)
	return err
}

// decodeOrder finds the order of a decision in the event's data. The data of a rejection or cancellation may have
// reasons only: then the aggregate names the order.
func decodeOrder(e contract.Event) (string, error) {
	var fact struct {
		OrderID string `json:"orderId"`
	}
	if strictjson.Unmarshal(e.Data, &fact) != nil {
		return "", errors.New("the event's data is not that of an order")
	}
	if fact.OrderID == "" {
		fact.OrderID = strings.TrimPrefix(e.Aggregate, "order/")
	}
	if fact.OrderID == "" {
		return "", errors.New("the event names no order")
	}
	return fact.OrderID, nil
}

// userDeleted discards the dead letters of a deleted account. The stock knows nothing else of users.
func (s *Service) userDeleted(ctx context.Context, e contract.Event) error {
	fact, err := contract.DecodeUserFact(e)
	if err != nil {
		return consumer.Permanent(err)
	}
	return s.Consumer.DiscardMatching(ctx, func(e contract.Event) bool { return contract.Concerns(e, fact.UserID) })
}
