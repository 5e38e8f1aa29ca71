package inventory

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// unknownOrderGrace is how long after its expiry the hold of an order that orders does not know stays. It is far longer
// than a placement may take.
const unknownOrderGrace = time.Minute

// maxFailedAnswers is how many orders in a row may get no answer before a check ends: orders is unavailable then.
const maxFailedAnswers = 3

// Run checks expired holds until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(s.CheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			check, span := telemetry.Enter(ctx, "check expired holds", telemetry.Entry{
				Kind: trace.SpanKindInternal, Unrecorded: true,
			})
			s.CheckExpiredHolds(check)
			span.End()
		}
	}
}

// CheckExpiredHolds asks orders about each order whose hold has expired, and applies its decision to the hold. Without
// an answer the hold stays.
func (s *Service) CheckExpiredHolds(ctx context.Context) {
	now := s.Now()
	expired, err := s.Stock.ExpiredHolds(ctx, now)
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot read which holds have expired")
		return
	}
	failed := 0
	for _, order := range shuffled(expired) {
		if ctx.Err() != nil {
			return
		}
		decision, err := s.decisionOf(ctx, order)
		if err != nil {
			telemetry.Log(ctx).Warn().Err(err).Str(field.Order, order).Msg("orders gives no answer, its stock stays held")
			if failed++; failed == maxFailedAnswers {
				return
			}
			continue
		}
		failed = 0
		if decision == unknown && now.Sub(expired[order]) >= unknownOrderGrace {
			decision = rejected // its placement has failed before the order was recorded
		}
		err = s.metrics.expire(order, func() error { return s.applyDecision(ctx, order, decision) })
		if err != nil {
			telemetry.Log(ctx).Error().Err(err).Str(field.Order, order).Str(field.Decision, decision).
				Msg("cannot apply the decision of an order to its hold")
		}
	}
}

// shuffled lists orders in another sequence each time, so that a few that get no answer do not hinder the others for
// ever.
func shuffled(orders map[string]time.Time) []string {
	ids := make([]string, 0, len(orders))
	for order := range orders {
		ids = append(ids, order)
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

func (s *Service) decisionOf(ctx context.Context, order string) (string, error) {
	var d contract.OrderDecision
	err := sidecar.Call(ctx, s.Invoker, "orders", http.MethodGet,
		"/internal/orders/"+url.PathEscape(order)+"/decision", nil, nil, &d)
	if err == nil && d.OrderID != order {
		err = errors.New("the answer is about another order")
	}
	return d.Decision, err
}
