package ledger

import (
	"context"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Commit keeps an order's hold for good (rule 5). Problems: not-found (404), invalid-transition (409) if it was
// released.
func (l *Ledger) Commit(ctx context.Context, order string) (stock.Hold, error) {
	return l.change(ctx, order, nil, func(tx *transaction, h stock.Hold) error {
		switch h.Status {
		case stock.Committed:
			return nil
		case stock.Released:
			return InvalidTransition("The hold was released.", h)
		}
		tx.EmitInternal(stock.HoldID(order), stock.HoldCommitted, struct{}{})
		tx.EmitInternal(stock.UndecidedID(order), stock.UndecidedDropped, stock.HoldChange{Order: order})
		return nil
	})
}

// Release frees the stock that an order still holds. The release of an order that holds nothing yet is recorded too, so
// that a late reservation of it is not made (rule 4).
func (l *Ledger) Release(ctx context.Context, order string) (stock.Hold, error) {
	before, _, err := l.log.Recent(ctx, stock.HoldID(order))
	if err != nil {
		return stock.Hold{}, err
	}
	ids := []string{stock.HoldID(order), stock.UndecidedID(order)}
	if before.Hold != nil {
		for sku := range before.Hold.Lines {
			ids = append(ids, stock.SKUID(sku))
		}
	}
	reservedMeanwhile := false
	var after stock.Hold
	_, err = l.log.Do(ctx, ids, func(tx *transaction) error {
		s, _ := tx.State(stock.HoldID(order))
		reservedMeanwhile = before.Hold == nil && s.Hold != nil && s.Hold.Status != stock.Released
		if reservedMeanwhile { // the levels of its SKUs are not loaded
			return nil
		}
		if s.Hold == nil || s.Hold.Status != stock.Released {
			release(tx, order, s.Hold)
			s, _ = tx.State(stock.HoldID(order))
		}
		after = *s.Hold
		return nil
	})
	switch {
	case err != nil:
		return stock.Hold{}, err
	case reservedMeanwhile:
		return l.Release(ctx, order)
	}
	return after, nil
}

// release records the release of a hold, nil if there is none.
func release(tx *transaction, order string, h *stock.Hold) {
	if h != nil {
		for _, sku := range stock.SKUs(h.Lines) {
			tx.Emit(stock.SKUID(sku), stock.Freed, stock.Movement{Quantity: h.Lines[sku], Order: order})
		}
		tx.EmitInternal(stock.UndecidedID(order), stock.UndecidedDropped, stock.HoldChange{Order: order})
	}
	tx.EmitInternal(stock.HoldID(order), stock.HoldReleased, struct{}{})
}

// Ship takes lines of a committed hold out of the stock, once per shipment id (rule 6). Problems: not-found (404),
// invalid-transition (409) if the hold is not committed, invalid-quantity (422) for more than it has.
func (l *Ledger) Ship(ctx context.Context, order, id string, lines []contract.Line) (stock.Hold, error) {
	sent, err := stock.Sum(lines)
	if err != nil {
		return stock.Hold{}, err
	}
	skus := stock.SKUs(sent)
	return l.change(ctx, order, skus, func(tx *transaction, h stock.Hold) error {
		if _, done := h.Done[stock.ShipmentKey(id)]; done {
			return nil
		}
		if h.Status != stock.Committed {
			return InvalidTransition("Only what is committed can be shipped.", h)
		}
		for _, sku := range skus {
			if h.Lines[sku] < sent[sku] {
				return TooMany(sku, h.Lines[sku])
			}
			tx.Emit(stock.SKUID(sku), stock.Shipped, stock.Movement{Quantity: sent[sku], Order: order, ID: id})
		}
		tx.EmitInternal(stock.HoldID(order), stock.HoldShipped, stock.HoldChange{ID: id, Lines: sent})
		return nil
	})
}

// Return puts shipped lines back into the stock, once per return id (rule 8). Problems: not-found (404),
// invalid-quantity (422) for more than was shipped.
func (l *Ledger) Return(ctx context.Context, order, id string, lines []contract.Line) (stock.Hold, error) {
	back, err := stock.Sum(lines)
	if err != nil {
		return stock.Hold{}, err
	}
	skus := stock.SKUs(back)
	return l.change(ctx, order, skus, func(tx *transaction, h stock.Hold) error {
		if _, done := h.Done[stock.ReturnKey(id)]; done {
			return nil
		}
		for _, sku := range skus {
			if h.Shipped[sku] < back[sku] {
				return TooMany(sku, h.Shipped[sku])
			}
			tx.Emit(stock.SKUID(sku), stock.Returned, stock.Movement{Quantity: back[sku], Order: order, ID: id})
		}
		tx.EmitInternal(stock.HoldID(order), stock.HoldReturned, stock.HoldChange{ID: id, Lines: back})
		return nil
	})
}

// change changes the hold of an order and the levels of SKUs. Problem: not-found (404).
func (l *Ledger) change(
	ctx context.Context, order string, skus []string, decide func(*transaction, stock.Hold) error,
) (stock.Hold, error) {
	ids := []string{stock.HoldID(order), stock.UndecidedID(order)}
	for _, sku := range skus {
		ids = append(ids, stock.SKUID(sku))
	}
	var after stock.Hold
	_, err := l.log.Do(ctx, ids, func(tx *transaction) error {
		s, _ := tx.State(stock.HoldID(order))
		if s.Hold == nil {
			return fault.Missing("reservation")
		}
		if err := decide(tx, *s.Hold); err != nil {
			return err
		}
		s, _ = tx.State(stock.HoldID(order))
		after = *s.Hold
		return nil
	})
	if err != nil {
		return stock.Hold{}, err
	}
	return after, nil
}
