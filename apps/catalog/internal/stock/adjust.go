package stock

import (
	"context"
	"encoding/json"

	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Move is a change of one SKU's stock by Delta.
type Move struct {
	SKU    string
	Delta  int64
	Reason string
}

// Adjustment is a request to change stock by hand or by import.
type Adjustment struct {
	ID          string // idempotency id
	Fingerprint string // of the request, so that another one under the id is told apart; empty: it is not
	Moves       []Move
	Note        json.RawMessage // kept for a replay
}

// Receive applies moves, all or none, once per id. Problems as in Adjust.
func (l *Ledger) Receive(ctx context.Context, id string, moves []Move) error {
	_, err := l.Adjust(ctx, Adjustment{ID: id, Moves: moves})
	return err
}

// Adjust applies an adjustment, all moves or none, once per id: a repetition gets the first one's receipt
// (rule 7). What is refused leaves nothing behind. Problems: insufficient-stock (409) when a move would
// take what is reserved or not there; invalid-quantity (422); idempotency-key-reused (422).
func (l *Ledger) Adjust(ctx context.Context, a Adjustment) (Receipt, error) {
	ids := []string{adjustmentID(a.ID)}
	for _, m := range a.Moves {
		if m.Delta > MaxQuantity || m.Delta < -MaxQuantity {
			return Receipt{}, fault.New(fault.Invalid, "invalid-quantity", "A change of stock is at most %d.", MaxQuantity).WithField("body.delta", "out of range")
		}
		ids = append(ids, skuID(m.SKU))
	}
	var receipt Receipt
	_, err := l.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		if s, _ := tx.State(adjustmentID(a.ID)); s.Receipt != nil {
			receipt = *s.Receipt
			receipt.Replayed = true
			return sameRequest(a, receipt)
		}
		receipt = Receipt{Fingerprint: a.Fingerprint, Note: a.Note}
		for _, m := range a.Moves {
			s, _ := tx.State(skuID(m.SKU))
			if err := checkMove(s.Level, m); err != nil {
				return err
			}
			event := Adjusted
			if m.Delta > 0 {
				event = Received
			}
			if m.Delta != 0 {
				tx.Emit(skuID(m.SKU), event, move{Quantity: m.Delta, Reason: m.Reason, ID: a.ID})
			}
			if s, _ = tx.State(skuID(m.SKU)); a.Fingerprint != "" { // else nobody asks for the answer again
				receipt.Levels = with(receipt.Levels, m.SKU, s.Level)
			}
		}
		tx.Note(adjustmentID(a.ID), marked, receipt)
		return nil
	})
	if err != nil {
		return Receipt{}, err
	}
	return receipt, nil
}

// Receipt reads the receipt of an adjustment that was made here.
func (l *Ledger) Receipt(ctx context.Context, id string) (Receipt, bool, error) {
	s, _, err := l.log.Get(ctx, adjustmentID(id))
	if err != nil || s.Receipt == nil {
		return Receipt{}, false, err
	}
	return *s.Receipt, true, nil
}

func sameRequest(a Adjustment, made Receipt) error {
	if a.Fingerprint == made.Fingerprint || a.Fingerprint == "" {
		return nil
	}
	return errReused
}

var errReused = fault.New(fault.Invalid, "idempotency-key-reused", "This Idempotency-Key was used for another request.").
	WithField("header.Idempotency-Key", "stands for another request")

func checkMove(at Level, m Move) error {
	after := at.OnHand + m.Delta
	switch {
	case after < at.Reserved:
		return fault.New(fault.Conflict, "insufficient-stock", "That would take more of %s than is free.", m.SKU).
			WithField("body.delta", "takes what is reserved or not there").With("sku", m.SKU).With("available", at.Available())
	case after > MaxQuantity:
		return fault.New(fault.Invalid, "invalid-quantity", "A level is at most %d.", MaxQuantity).WithField("body.delta", "out of range")
	}
	return nil
}
