package catalog

import (
	"context"
	"maps"
	"slices"

	"haberdash/apps/catalog/internal/product"
)

// openReceipts opens one receipt for everything that comes in, which the stock does not refuse, and one for each SKU of
// which something goes out, which the stock refuses if too much of it is reserved.
func openReceipts(tx *transaction, id string, delta map[string]int64) {
	in := product.Receipt{ID: "import/" + id}
	for _, sku := range slices.Sorted(maps.Keys(delta)) {
		move := product.Move{SKU: sku, Delta: delta[sku]}
		switch {
		case move.Delta > 0:
			in.Moves = append(in.Moves, move)
		case move.Delta < 0:
			out := product.Receipt{ID: in.ID + "/" + sku, Moves: []product.Move{move}}
			tx.EmitInternal(product.ReceiptsID, product.ReceiptOpened, out)
		}
	}
	if len(in.Moves) > 0 {
		tx.EmitInternal(product.ReceiptsID, product.ReceiptOpened, in)
	}
}

// Receipts lists the open receipts, sorted by id.
func (c *Catalog) Receipts(ctx context.Context) ([]product.Receipt, error) {
	s, _, err := c.log.Recent(ctx, product.ReceiptsID)
	if err != nil {
		return nil, err
	}
	receipts := make([]product.Receipt, 0, len(s.Pending))
	for _, id := range slices.Sorted(maps.Keys(s.Pending)) {
		receipts = append(receipts, product.Receipt{ID: id, Moves: s.Pending[id]})
	}
	return receipts, nil
}

// CloseReceipt closes a receipt that the stock has received or, with refused, that it will never receive. What was
// refused counts as not received, and the next import tries again (rule 6).
func (c *Catalog) CloseReceipt(ctx context.Context, id string, refused bool) error {
	_, err := c.log.Do(ctx, []string{product.ReceiptsID}, func(tx *transaction) error {
		s, _ := tx.State(product.ReceiptsID)
		moves, open := s.Pending[id]
		if !open {
			return nil // another replica has closed it
		}
		tx.EmitInternal(product.ReceiptsID, product.ReceiptClosed, product.Receipt{ID: id})
		if refused {
			for _, m := range moves {
				tx.EmitInternal(product.SKUID(m.SKU), product.SKUCounted, product.Count{Delta: -m.Delta})
			}
		}
		return nil
	})
	return err
}
