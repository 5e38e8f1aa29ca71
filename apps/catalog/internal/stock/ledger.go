package stock

import (
	"context"
	"slices"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Ledger is the stock of one location. Its methods may be called at the same time, from several processes;
// each is atomic and idempotent as it says.
type Ledger struct {
	log      *commitlog.Partition[State]
	location string
}

// NewLedger makes a ledger on an open stock log.
func NewLedger(log *commitlog.Partition[State], location string) *Ledger {
	return &Ledger{log, location}
}

// Location is the name of the place.
func (l *Ledger) Location() string { return l.location }

// Move is a change of one SKU's stock by Delta.
type Move struct {
	SKU    string
	Delta  int64
	Reason string
}

// Receive applies moves, all or none, once per id (rule 7). Problems: insufficient-stock (409) when a move
// would take what is reserved or not there; invalid-quantity (422).
func (l *Ledger) Receive(ctx context.Context, id string, moves []Move) error {
	ids := []string{adjustmentID(id)}
	for _, m := range moves {
		if m.Delta > maxQuantity || m.Delta < -maxQuantity {
			return fault.New(fault.Invalid, "invalid-quantity", "A change of stock is at most %d.", maxQuantity).WithField("body.delta", "out of range")
		}
		ids = append(ids, skuID(m.SKU))
	}
	_, err := l.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		if _, seq := tx.State(adjustmentID(id)); seq > 0 {
			return nil
		}
		for _, m := range moves {
			if m.Delta == 0 {
				continue
			}
			s, _ := tx.State(skuID(m.SKU))
			if after := s.OnHand + m.Delta; after < s.Level.Reserved {
				return fault.New(fault.Conflict, "insufficient-stock", "That would take more of %s than is free.", m.SKU).
					WithField("body.delta", "takes what is reserved or not there").With("sku", m.SKU).With("available", s.Available())
			} else if after > maxQuantity {
				return fault.New(fault.Invalid, "invalid-quantity", "A level is at most %d.", maxQuantity).WithField("body.delta", "out of range")
			}
			event := Adjusted
			if m.Delta > 0 {
				event = Received
			}
			tx.Emit(skuID(m.SKU), event, move{Quantity: m.Delta, Reason: m.Reason, ID: id})
		}
		tx.Note(adjustmentID(id), marked, struct{}{})
		return nil
	})
	return err
}

// Reserve holds stock for an order: all lines or none (rules 1–4). The hold stays until Commit or
// Release; at expiresAt the order is asked after, see Undecided. Problems: out-of-stock (409, lines).
func (l *Ledger) Reserve(ctx context.Context, order string, lines []contract.Line, expiresAt time.Time) (Hold, error) {
	wanted, skus, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	ids := []string{holdID(order), undecidedID}
	for _, sku := range skus {
		ids = append(ids, skuID(sku))
	}
	var hold Hold
	_, err = l.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		if s, _ := tx.State(holdID(order)); s.Hold != nil {
			hold = *s.Hold
			return nil
		}
		var short []contract.OutOfStockLine
		for _, sku := range skus {
			if s, _ := tx.State(skuID(sku)); s.Available() < wanted[sku] {
				short = append(short, contract.OutOfStockLine{SKU: sku, Requested: wanted[sku], Available: s.Available()})
			}
		}
		if len(short) > 0 {
			return fault.New(fault.Conflict, "out-of-stock", "There is not enough in stock.").With("lines", short)
		}
		for _, sku := range skus {
			tx.Emit(skuID(sku), Reserved, move{Quantity: wanted[sku], Order: order})
		}
		tx.Note(holdID(order), holdPlaced, holdData{Lines: wanted, ExpiresAt: expiresAt})
		tx.Note(undecidedID, indexAdd, holdData{Order: order, ExpiresAt: expiresAt})
		s, _ := tx.State(holdID(order))
		hold = *s.Hold
		return nil
	})
	return hold, err
}

// Commit keeps an order's hold for good (rule 5); a repetition changes nothing. Problems: not-found
// (404), invalid-transition (409) when it was released.
func (l *Ledger) Commit(ctx context.Context, order string) (Hold, error) {
	return l.change(ctx, order, nil, func(tx *commitlog.Tx[State], h Hold) error {
		switch h.Status {
		case Committed:
			return nil
		case Released:
			return refused("The hold was released.", h)
		}
		tx.Note(holdID(order), holdKept, struct{}{})
		tx.Note(undecidedID, indexDrop, holdData{Order: order})
		return nil
	})
}

// Release frees what an order still holds; a repetition changes nothing. Releasing an order that holds
// nothing yet is recorded, so that a late reservation of it is not made (rule 4).
func (l *Ledger) Release(ctx context.Context, order string) (Hold, error) {
	hold, _, err := l.log.Get(ctx, holdID(order))
	if err != nil {
		return Hold{}, err
	}
	ids := []string{holdID(order), undecidedID}
	if hold.Hold != nil {
		for sku := range hold.Hold.Lines {
			ids = append(ids, skuID(sku))
		}
	}
	missed := false
	var after Hold
	_, err = l.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		s, _ := tx.State(holdID(order))
		missed = hold.Hold == nil && s.Hold != nil && s.Hold.Status != Released
		if missed { // reserved since we looked: its SKUs are not loaded
			return nil
		}
		if s.Hold != nil && s.Hold.Status == Released {
			after = *s.Hold
			return nil
		}
		if s.Hold != nil {
			for _, sku := range sorted(s.Hold.Lines) {
				tx.Emit(skuID(sku), Freed, move{Quantity: s.Hold.Lines[sku], Order: order})
			}
			tx.Note(undecidedID, indexDrop, holdData{Order: order})
		}
		tx.Note(holdID(order), holdFreed, struct{}{})
		s, _ = tx.State(holdID(order))
		after = *s.Hold
		return nil
	})
	if err == nil && missed {
		return l.Release(ctx, order)
	}
	return after, err
}

// Ship takes lines of a committed hold off the shelf (rule 6), once per shipment id. Problems: not-found
// (404), invalid-transition (409) when the hold is not committed, invalid-quantity (422) for more than it has.
func (l *Ledger) Ship(ctx context.Context, order, id string, lines []contract.Line) (Hold, error) {
	sent, skus, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	return l.change(ctx, order, skus, func(tx *commitlog.Tx[State], h Hold) error {
		if slices.Contains(h.Done, id) {
			return nil
		}
		if h.Status != Committed {
			return refused("Only what is committed can be shipped.", h)
		}
		for _, sku := range skus {
			if h.Lines[sku] < sent[sku] {
				return tooMuch(sku, h.Lines[sku])
			}
			tx.Emit(skuID(sku), Shipped, move{Quantity: sent[sku], Order: order, ID: id})
		}
		tx.Note(holdID(order), holdSent, holdData{ID: id, Lines: sent})
		return nil
	})
}

// Return puts shipped lines back on the shelf (rule 8), once per return id. Problems as in Ship.
func (l *Ledger) Return(ctx context.Context, order, id string, lines []contract.Line) (Hold, error) {
	back, skus, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	return l.change(ctx, order, skus, func(tx *commitlog.Tx[State], h Hold) error {
		if slices.Contains(h.Done, id) {
			return nil
		}
		for _, sku := range skus {
			if h.Shipped[sku] < back[sku] {
				return tooMuch(sku, h.Shipped[sku])
			}
			tx.Emit(skuID(sku), Returned, move{Quantity: back[sku], Order: order, ID: id})
		}
		tx.Note(holdID(order), holdBack, holdData{ID: id, Lines: back})
		return nil
	})
}

func (l *Ledger) change(ctx context.Context, order string, skus []string, decide func(*commitlog.Tx[State], Hold) error) (Hold, error) {
	ids := []string{holdID(order), undecidedID}
	for _, sku := range skus {
		ids = append(ids, skuID(sku))
	}
	var after Hold
	_, err := l.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		s, _ := tx.State(holdID(order))
		if s.Hold == nil {
			return fault.Missing("reservation")
		}
		if err := decide(tx, *s.Hold); err != nil {
			return err
		}
		s, _ = tx.State(holdID(order))
		after = *s.Hold
		return nil
	})
	return after, err
}

func refused(detail string, h Hold) error {
	return fault.New(fault.Conflict, "invalid-transition", "%s", detail).With("holdStatus", h.Status)
}

func tooMuch(sku string, at int64) error {
	return fault.New(fault.Invalid, "invalid-quantity", "The order has only %d of %s left for that.", at, sku).WithField("body.lines", "quantity out of range")
}

func sorted(lines map[string]int64) []string {
	skus := make([]string, 0, len(lines))
	for sku := range lines {
		skus = append(skus, sku)
	}
	slices.Sort(skus)
	return skus
}
