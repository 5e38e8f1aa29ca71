package stock

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Types of the published events, which change a SKU's level. Their data is a Movement.
const (
	Received = contract.StockReceived
	Adjusted = contract.StockAdjusted
	Reserved = contract.StockReserved
	Freed    = contract.StockReleased
	Shipped  = contract.StockShipped
	Returned = contract.StockReturned
)

// Types of the internal events, which are not published. Their data is a HoldChange, if not said otherwise.
const (
	HoldPlaced        = "hold.placed"
	HoldCommitted     = "hold.committed" // no data
	HoldReleased      = "hold.released"  // Short of a refusal, else no data
	HoldShipped       = "hold.shipped"
	HoldReturned      = "hold.returned"
	UndecidedAdded    = "undecided.added"
	UndecidedDropped  = "undecided.dropped"
	AdjustmentApplied = "adjustment.applied" // data: Receipt
)

// Movement is a change of one SKU's level.
type Movement = contract.StockMovement

// HoldChange is a change of an order's hold, or of the index of undecided holds.
type HoldChange struct {
	ID        string                    `json:"id,omitempty"` // of the shipment or return
	Lines     map[string]int64          `json:"lines,omitempty"`
	Rest      map[string]int64          `json:"rest,omitempty"`
	Short     []contract.OutOfStockLine `json:"short,omitempty"`
	ExpiresAt time.Time                 `json:"expiresAt,omitzero"`
	Order     string                    `json:"order,omitempty"`
}

// Model folds the log of a stock location.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(id string, s State, e commitlog.Event) (State, error) {
	switch {
	case strings.HasPrefix(id, "sku/"):
		return applyLevel(s, e)
	case strings.HasPrefix(id, "hold/"):
		return applyHold(s, e)
	case strings.HasPrefix(id, "undecided/"):
		return applyUndecided(s, e)
	case strings.HasPrefix(id, "adjustment/"):
		var r Receipt
		err := e.Decode(&r)
		return State{Receipt: &r}, err
	}
	return s, fmt.Errorf("unknown aggregate %s", id)
}

func applyLevel(s State, e commitlog.Event) (State, error) {
	var m Movement
	if err := e.Decode(&m); err != nil {
		return s, err
	}
	switch e.Type {
	case Received, Adjusted, Returned:
		s.OnHand += m.Quantity
	case Reserved:
		s.Reserved += m.Quantity
	case Freed:
		s.Reserved -= m.Quantity
	case Shipped:
		s.OnHand -= m.Quantity
		s.Reserved -= m.Quantity
	default:
		return s, fmt.Errorf("unknown event %s", e.Type)
	}
	return s, nil
}

func applyHold(s State, e commitlog.Event) (State, error) {
	var c HoldChange
	if err := e.Decode(&c); err != nil {
		return s, err
	}
	h := Hold{}
	if s.Hold != nil {
		h = *s.Hold
	}
	switch e.Type {
	case HoldPlaced:
		h.Status, h.Lines, h.Rest, h.ExpiresAt = Held, c.Lines, c.Rest, c.ExpiresAt
	case HoldCommitted:
		h.Status = Committed
	case HoldReleased:
		h.Status, h.Lines, h.Short = Released, nil, c.Short
	case HoldShipped:
		h.Lines, h.Shipped = Subtract(h.Lines, c.Lines), Add(h.Shipped, c.Lines)
		h.Done = With(h.Done, ShipmentKey(c.ID), c.Lines)
	case HoldReturned:
		h.Shipped = Subtract(h.Shipped, c.Lines)
		h.Done = With(h.Done, ReturnKey(c.ID), c.Lines)
	default:
		return s, fmt.Errorf("unknown event %s", e.Type)
	}
	return State{Hold: &h}, nil
}

func applyUndecided(s State, e commitlog.Event) (State, error) {
	var c HoldChange
	if err := e.Decode(&c); err != nil {
		return s, err
	}
	if e.Type == UndecidedAdded {
		return State{Undecided: With(s.Undecided, c.Order, c.ExpiresAt)}, nil
	}
	next := maps.Clone(s.Undecided)
	delete(next, c.Order)
	if len(next) == 0 {
		next = nil // as it is after a round trip through JSON
	}
	return State{Undecided: next}, nil
}
