package product

import (
	"context"
	"maps"
	"slices"

	"haberdash/internal/commitlog"
)

// Receipt is stock that an import counted and the inventory has still to take in. It is committed together
// with the products; its id makes receiving it idempotent, so a crash between the two loses and doubles
// nothing.
type Receipt struct {
	ID    string `json:"id"`
	Moves []Move `json:"moves,omitempty"`
}

// Move is a change of one SKU's stock.
type Move struct {
	SKU   string `json:"sku"`
	Delta int64  `json:"delta"`
}

// openReceipts opens one receipt for all that comes in, which the inventory does not refuse, and one for
// each SKU of which something is taken away, which it may: some of it may be reserved.
func openReceipts(tx *commitlog.Tx[State], id string, delta map[string]int64) {
	in := Receipt{ID: "import/" + id}
	for _, sku := range slices.Sorted(maps.Keys(delta)) {
		switch d := delta[sku]; {
		case d > 0:
			in.Moves = append(in.Moves, Move{sku, d})
		case d < 0:
			tx.Note(receiptsID, opened, Receipt{"import/" + id + "/" + sku, []Move{{sku, d}}})
		}
	}
	if len(in.Moves) > 0 {
		tx.Note(receiptsID, opened, in)
	}
}

// Receipts lists what is still to be received.
func (c *Catalog) Receipts(ctx context.Context) ([]Receipt, error) {
	s, _, err := c.log.Get(ctx, receiptsID)
	if err != nil {
		return nil, err
	}
	receipts := make([]Receipt, 0, len(s.Pending))
	for _, id := range slices.Sorted(maps.Keys(s.Pending)) {
		receipts = append(receipts, Receipt{id, s.Pending[id]})
	}
	return receipts, nil
}

// Settle closes a receipt that the inventory took in or, refused, that it will never take in: then the
// SKUs count as not received, and the next import tries again (rule 6).
func (c *Catalog) Settle(ctx context.Context, id string, refused bool) error {
	_, err := c.log.Do(ctx, []string{receiptsID}, func(tx *commitlog.Tx[State]) error {
		s, _ := tx.State(receiptsID)
		moves, open := s.Pending[id]
		if !open {
			return nil // another replica was faster
		}
		tx.Note(receiptsID, settled, Receipt{ID: id})
		if refused {
			for _, m := range moves {
				tx.Note(skuID(m.SKU), counted, count{-m.Delta})
			}
		}
		return nil
	})
	return err
}
