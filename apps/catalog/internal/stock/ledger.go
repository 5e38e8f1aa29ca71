package stock

import (
	"context"
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

// Reserve holds stock for an order: all lines or none (rules 1–4). The hold stays until Commit or
// Release; at expiresAt the order is asked after, see Undecided. Problems: out-of-stock (409, lines).
func (l *Ledger) Reserve(ctx context.Context, order string, lines []contract.Line, expiresAt time.Time) (Hold, error) {
	wanted, _, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	hold, short, err := l.hold(ctx, order, wanted, nil, expiresAt, whole)
	if err == nil && len(short) > 0 {
		err = outOfStock(short)
	}
	return hold, err
}

// share says how much of what is wanted a location is to hold.
type share int

const (
	whole share = iota // all; a refusal leaves nothing behind
	part               // what it has
	rest               // all; a refusal is recorded as a release, and so stands for good
)

// hold reserves a location's share, once per order; short has the lines that it refused for, counting what the
// order has elsewhere.
func (l *Ledger) hold(ctx context.Context, order string, wanted, elsewhere map[string]int64, expiresAt time.Time, how share) (hold Hold, short []contract.OutOfStockLine, err error) {
	ids := []string{holdID(order), undecidedID(order)}
	for sku := range wanted {
		ids = append(ids, skuID(sku))
	}
	var h Hold
	var lacks []contract.OutOfStockLine
	_, err = l.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		h, lacks = Hold{}, nil
		if s, _ := tx.State(holdID(order)); s.Hold != nil {
			h = *s.Hold
			return nil
		}
		given := make(map[string]int64, len(wanted))
		for _, sku := range sorted(wanted) {
			s, _ := tx.State(skuID(sku))
			if n := min(wanted[sku], s.Available()); n > 0 {
				given[sku] = n
			}
			if given[sku] < wanted[sku] {
				lacks = append(lacks, contract.OutOfStockLine{SKU: sku, Requested: wanted[sku] + elsewhere[sku], Available: s.Available() + elsewhere[sku]})
			}
		}
		switch {
		case len(lacks) > 0 && how == whole:
			return nil
		case len(lacks) > 0 && how == rest:
			tx.Note(holdID(order), holdFreed, holdData{Short: lacks})
		default:
			lacks = nil
			for _, sku := range sorted(given) {
				tx.Emit(skuID(sku), Reserved, move{Quantity: given[sku], Order: order})
			}
			tx.Note(holdID(order), holdPlaced, holdData{Lines: given, Rest: sum(wanted, given, -1), ExpiresAt: expiresAt.UTC()})
			tx.Note(undecidedID(order), indexAdd, holdData{Order: order, ExpiresAt: expiresAt.UTC()})
		}
		s, _ := tx.State(holdID(order))
		h = *s.Hold
		return nil
	})
	if err != nil {
		return Hold{}, nil, err // when ctx ended, h may still be written to
	}
	return h, lacks, nil
}

func outOfStock(lines []contract.OutOfStockLine) error {
	return fault.New(fault.Conflict, "out-of-stock", "There is not enough in stock.").With("lines", lines)
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
		tx.Note(undecidedID(order), indexDrop, holdData{Order: order})
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
	ids := []string{holdID(order), undecidedID(order)}
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
			tx.Note(undecidedID(order), indexDrop, holdData{Order: order})
		}
		tx.Note(holdID(order), holdFreed, struct{}{})
		s, _ = tx.State(holdID(order))
		after = *s.Hold
		return nil
	})
	switch {
	case err != nil:
		return Hold{}, err
	case missed:
		return l.Release(ctx, order)
	}
	return after, nil
}

// Ship takes lines of a committed hold off the shelf (rule 6), once per shipment id. Problems: not-found
// (404), invalid-transition (409) when the hold is not committed, invalid-quantity (422) for more than it has.
func (l *Ledger) Ship(ctx context.Context, order, id string, lines []contract.Line) (Hold, error) {
	sent, skus, err := fold(lines)
	if err != nil {
		return Hold{}, err
	}
	return l.change(ctx, order, skus, func(tx *commitlog.Tx[State], h Hold) error {
		if _, done := h.Done[shipmentID(id)]; done {
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
		if _, done := h.Done[returnID(id)]; done {
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
	ids := []string{holdID(order), undecidedID(order)}
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
	if err != nil {
		return Hold{}, err
	}
	return after, nil
}

func refused(detail string, h Hold) error {
	return fault.New(fault.Conflict, "invalid-transition", "%s", detail).With("holdStatus", h.Status)
}

func tooMuch(sku string, at int64) error {
	return fault.New(fault.Invalid, "invalid-quantity", "The order has only %d of %s left for that.", at, sku).WithField("body.lines", "quantity out of range")
}
