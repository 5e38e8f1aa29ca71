package service

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// unknownFor is how long after its time a hold stays whose order nobody has recorded: a placement that is
// slow comes with its own deadline, far below.
const unknownFor = time.Minute

// giveUpAfter is how many orders in a row may go without an answer before a sweep ends: then it is not
// the orders.
const giveUpAfter = 3

// Sweep asks orders what became of each order whose hold is past its time, and ends the hold as it was
// decided. Without an answer the hold stays.
func (s *Inventory) Sweep(ctx context.Context) {
	now := s.deps.Now()
	due, err := s.stock.Undecided(ctx, now)
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot read which holds are past their time")
		return
	}
	ids := make([]string, 0, len(due))
	for order := range due {
		ids = append(ids, order)
	}
	// In another order each time: a few that cannot be answered must not keep the rest from their turn.
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	silent := 0
	for _, order := range ids {
		if ctx.Err() != nil {
			return
		}
		decision, err := s.decisionOf(ctx, order)
		if err != nil {
			telemetry.Log(ctx).Warn().Err(err).Str("order", order).Msg("orders gives no answer, its stock stays held")
			if silent++; silent == giveUpAfter {
				return
			}
			continue
		}
		silent = 0
		overdue := now.Sub(due[order]) >= unknownFor
		if err := s.settle(ctx, order, decision, overdue); err != nil {
			telemetry.Log(ctx).Error().Err(err).Str("order", order).Str("decision", decision).Msg("cannot end a hold as its order was decided")
		}
	}
}

func (s *Inventory) decisionOf(ctx context.Context, order string) (string, error) {
	var d contract.OrderDecision
	err := sidecar.Call(ctx, s.deps.Invoker, "orders", http.MethodGet, "/internal/orders/"+url.PathEscape(order)+"/decision", nil, nil, &d)
	if err == nil && d.OrderID != order {
		err = errors.New("the answer is about another order")
	}
	return d.Decision, err
}

// settle ends a hold as its order was decided; an order that is still being placed keeps it.
func (s *Inventory) settle(ctx context.Context, order, decision string, overdue bool) (err error) {
	switch {
	case decision == "confirmed":
		_, err = s.stock.Commit(ctx, order)
	case decision == "rejected", decision == "cancelled", decision == "unknown" && overdue:
		_, err = s.stock.Release(ctx, order)
	default:
		return nil
	}
	reached(afterDecision)
	return err
}

// Measure adds the inventory's own figures to a registry; before Subscribe.
func (s *Inventory) Measure(reg prometheus.Registerer) { logapi.Measure(reg, s.consumer) }

// Subscribe takes the decisions of orders, and the deletions of users, as they are made.
func (s *Inventory) Subscribe(events sidecar.Subscriber) {
	s.consumer.Subscribe(events, "catalog", contract.TopicOrders, contract.TopicUsers)
}

// newConsumer follows the decisions of orders. The handlers are idempotent, and their events may come in any
// order: what is released stays released.
func (s *Inventory) newConsumer() *consumer.Consumer {
	return consumer.New(consumer.Options{
		State: s.deps.State, Fetch: consumer.FetchFrom(s.deps.Invoker), Now: s.deps.Now,
		Logs: []consumer.Log{{Source: "orders", Partition: "orders"}, {Source: "users", Partition: "users"}},
		Handlers: map[string]consumer.Handler{
			contract.OrderConfirmed: s.decided("confirmed"),
			contract.OrderRejected:  s.decided("rejected"),
			contract.OrderCancelled: s.decided("cancelled"),
			contract.UserDeleted:    func(ctx context.Context, e contract.Event) error { return s.consumer.ForgetUser(ctx, e) },
		},
		Batches: map[string]consumer.BatchHandler{ // what a location's log gathers while it writes is one commit
			contract.OrderConfirmed: consumer.Concurrently(s.decided("confirmed")),
			contract.OrderRejected:  consumer.Concurrently(s.decided("rejected")),
			contract.OrderCancelled: consumer.Concurrently(s.decided("cancelled")),
		},
	})
}

func (s *Inventory) decided(decision string) consumer.Handler {
	return func(ctx context.Context, e contract.Event) error {
		order, err := orderOf(e)
		if err != nil {
			return consumer.Permanent(err)
		}
		err = s.settle(ctx, order, decision, false)
		if f := fault.Of(err); err != nil && (f.Kind == fault.NotFound || f.Kind == fault.Conflict) { // no repetition would end otherwise
			telemetry.Log(ctx).Error().Err(err).Str("order", order).Str("type", e.Type).Msg("an order was decided that holds no stock")
			return nil
		}
		return err
	}
}

// orderOf names the order of a decision: from the event's data, or, where that only has reasons, from its
// aggregate.
func orderOf(e contract.Event) (string, error) {
	var fact struct {
		OrderID string `json:"orderId"`
	}
	if json.Unmarshal(e.Data, &fact) != nil {
		return "", errors.New("the order is not understood")
	}
	if fact.OrderID == "" {
		fact.OrderID = strings.TrimPrefix(e.Aggregate, "order/")
	}
	if fact.OrderID == "" {
		return "", errors.New("the event names no order")
	}
	return fact.OrderID, nil
}
