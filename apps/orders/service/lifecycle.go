package service

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Names that running instances rely on: see sidecar.WorkflowHost before changing what stands behind one.
const (
	lifecycleName = "order-lifecycle"
	settleName    = "settle-order"
	changedEvent  = "changed"
)

// lifeInput is what a lifecycle is started with.
type lifeInput struct {
	Order string `json:"order"`
}

// pause is what a lifecycle does next.
type pause struct {
	Over bool          `json:"over"`
	For  time.Duration `json:"for"` // to wait, unless the order changes before
}

// rounds is how often a lifecycle goes round before it starts over with an empty history.
const rounds = 10

// lifecycle is an order's life as a durable workflow, whose id is the order's: settle what the order owes,
// wait until it changes or is due, and so on until nothing more is to be expected of it. What is owed, and
// when it is due, the log says; the workflow only remembers to ask.
func (s *Service) lifecycle(w sidecar.WorkflowContext) error {
	var in lifeInput
	if err := w.Input(&in); err != nil {
		return err
	}
	for range rounds {
		var next pause
		err := w.Call(settleName, in, &next, sidecar.RetryPolicy{First: time.Second, Max: 30 * time.Second})
		if err != nil || next.Over {
			return err
		}
		if _, err := w.Wait(changedEvent, next.For); err != nil {
			return err
		}
	}
	w.Again(in)
	return nil
}

// settleOrder is the lifecycle's one activity. An error means that something is owed still, and is tried again.
func (s *Service) settleOrder(ctx context.Context, raw json.RawMessage) (any, error) {
	var in lifeInput
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, err
	}
	o, version, err := s.Book.Get(ctx, in.Order)
	if fault.Is(err, "not-found") {
		telemetry.Log(ctx).Error().Str("order", in.Order).Msg("a lifecycle without an order ends")
		return pause{Over: true}, nil
	}
	if err != nil {
		return nil, err
	}
	// The request that placed it has its time first.
	if left := s.Deadline - s.Now().Sub(o.PlacedAt); o.Status == order.Placing && left > 0 {
		return pause{For: left}, nil
	}
	done, mine := s.take(o.OrderID)
	if !mine {
		return pause{For: time.Second}, nil
	}
	defer done()
	if s.expired(o) {
		if o, version, err = s.Book.End(ctx, o.OrderID, "authorization-expired"); err != nil {
			return nil, err
		}
	}
	if o, _, err = s.settle(ctx, o, version); err != nil {
		return nil, err
	}
	return s.next(o), nil
}

// expired reports whether the order's authorisation has lived its time and goods are still to be sent. A
// parcel that is on its way to be captured has its turn first.
func (s *Service) expired(o order.Order) bool {
	return o.Unshipped() && len(o.Duties().Fulfilments) == 0 && !s.Now().Before(o.PlacedAt.Add(s.AuthorisationLife))
}

func (s *Service) next(o order.Order) pause {
	switch {
	case o.Over(s.Now(), s.ReturnsFor):
		return pause{Over: true}
	case o.Unshipped():
		return pause{For: max(o.PlacedAt.Add(s.AuthorisationLife).Sub(s.Now()), time.Second)}
	}
	return pause{For: max(o.ChangedAt.Add(s.ReturnsFor).Sub(s.Now()), time.Second)}
}
