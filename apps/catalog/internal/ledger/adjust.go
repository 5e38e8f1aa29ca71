package ledger

import (
	"context"
	"encoding/json"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/fault"
)

// Move is a change of one SKU's stock by Delta.
type Move struct {
	SKU    string
	Delta  int64
	Reason string
}

// Adjustment is a request to change stock by hand or by an import.
type Adjustment struct {
	ID          string // idempotency id
	Fingerprint string // of the request, to tell another request under the id; empty: do not tell them apart
	Moves       []Move
	Note        json.RawMessage // is stored in the receipt
}

// Receive applies moves, all or none, once per id. Problems: those of Adjust.
func (l *Ledger) Receive(ctx context.Context, id string, moves []Move) error {
	_, err := l.Adjust(ctx, Adjustment{ID: id, Moves: moves})
	return err
}

// Adjust applies an adjustment, all moves or none, once per id: a repetition gets the receipt of the first (rule 7). A
// refused adjustment does not use its id. Problems: insufficient-stock (409) if a move would take what is reserved or
// not there; invalid-quantity (422); ErrKeyReused (422).
func (l *Ledger) Adjust(ctx context.Context, a Adjustment) (stock.Receipt, error) {
	ids := []string{stock.AdjustmentID(a.ID)}
	for _, m := range a.Moves {
		if m.Delta > stock.MaxQuantity || m.Delta < -stock.MaxQuantity {
			return stock.Receipt{}, outOfRange("A change of stock is at most %d.")
		}
		ids = append(ids, stock.SKUID(m.SKU))
	}
	var receipt stock.Receipt
	_, err := l.log.Do(ctx, ids, func(tx *transaction) error {
		if s, _ := tx.State(stock.AdjustmentID(a.ID)); s.Receipt != nil {
			receipt = *s.Receipt
			receipt.Replayed = true
			return checkSameRequest(a, receipt)
		}
		receipt = stock.Receipt{Fingerprint: a.Fingerprint, Note: a.Note}
		for _, m := range a.Moves {
			after, err := apply(tx, a.ID, m)
			if err != nil {
				return err
			}
			if a.Fingerprint != "" { // an import does not ask for the answer again
				receipt.Levels = stock.With(receipt.Levels, m.SKU, after)
			}
		}
		tx.EmitInternal(stock.AdjustmentID(a.ID), stock.AdjustmentApplied, receipt)
		return nil
	})
	if err != nil {
		return stock.Receipt{}, err
	}
	return receipt, nil
}

// apply applies a move of an adjustment and returns the level after it.
func apply(tx *transaction, adjustment string, m Move) (stock.Level, error) {
	s, _ := tx.State(stock.SKUID(m.SKU))
	if err := checkMove(s.Level, m); err != nil {
		return stock.Level{}, err
	}
	event := stock.Adjusted
	if m.Delta > 0 {
		event = stock.Received
	}
	if m.Delta != 0 {
		tx.Emit(stock.SKUID(m.SKU), event, stock.Movement{Quantity: m.Delta, Reason: m.Reason, ID: adjustment})
	}
	s, _ = tx.State(stock.SKUID(m.SKU))
	return s.Level, nil
}

func checkSameRequest(a Adjustment, made stock.Receipt) error {
	if a.Fingerprint == made.Fingerprint || a.Fingerprint == "" {
		return nil
	}
	return ErrKeyReused
}

func checkMove(at stock.Level, m Move) error {
	after := at.OnHand + m.Delta
	switch {
	case after < at.Reserved:
		return fault.New(fault.Conflict, "insufficient-stock", "That would take more of %s than is free.", m.SKU).
			WithField("delta", "takes what is reserved or not there").
			With("sku", m.SKU).With("available", at.Available())
	case after > stock.MaxQuantity:
		return outOfRange("A level is at most %d.")
	}
	return nil
}

func outOfRange(detail string) error {
	return fault.New(fault.Invalid, "invalid-quantity", detail, stock.MaxQuantity).WithField("delta", "out of range")
}
