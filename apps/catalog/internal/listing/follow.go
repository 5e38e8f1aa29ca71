package listing

import (
	"context"
	"errors"
	"fmt"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Listing is an Index of the catalogue's log. What another process commits is in it within a second, and after CatchUp
// at once.
type Listing struct {
	*Index
	log *commitlog.Partition[product.State]
}

// Follow makes an index of the log and applies the log's commits to it from then on. It also calls onChange with each
// change, in the order of the log and after the index has it.
func Follow(
	ctx context.Context, log *commitlog.Partition[product.State], onChange func(product.Change),
) (*Listing, error) {
	x := &Listing{New(), log}
	undecodable := make(chan error, 1)
	err := log.Subscribe(ctx, func(commit commitlog.Commit) {
		for _, e := range commit.Events {
			change, ok, err := product.ChangeOf(e)
			if err != nil {
				select {
				case undecodable <- err:
				default: // the first is enough
				}
			}
			if ok {
				x.Apply(change)
				onChange(change)
			}
		}
	})
	select {
	case bad := <-undecodable:
		err = errors.Join(err, bad)
	default:
	}
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return x, nil
}

// CatchUp waits until the index has everything that any process had committed before the call.
func (x *Listing) CatchUp(ctx context.Context) error { return x.log.CatchUp(ctx) }

// HasSKU tells whether a product of any status has the SKU. It looks at the end of the log before it reports that none
// has.
func (x *Listing) HasSKU(ctx context.Context, sku string) (bool, error) {
	if _, _, ok := x.Variant(sku); ok {
		return true, nil
	}
	err := x.CatchUp(ctx)
	_, _, ok := x.Variant(sku)
	return ok, err
}

// Compare compares variants as a buyer was shown them with the end of the log: gone lists those that are no longer
// sold, and changed those that have another price now, or are taxed or shipped in another way. It costs a CatchUp,
// because an index that is behind would sell at a price that another process has already replaced.
func (x *Listing) Compare(
	ctx context.Context, shown []contract.Shown,
) (gone []string, changed []contract.PriceChangedLine, err error) {
	if len(shown) == 0 {
		return nil, nil, nil
	}
	if err := x.CatchUp(ctx); err != nil {
		return nil, nil, err
	}
	for _, was := range shown {
		e, v, ok := x.Variant(was.SKU)
		switch {
		case !ok || e.Status != product.Active || v.Price.Currency != was.UnitPrice.Currency:
			gone = append(gone, was.SKU)
		case v.Price != was.UnitPrice, v.Taxable != was.Taxable, v.RequiresShipping != was.Shipped:
			changed = append(changed, contract.PriceChangedLine{SKU: was.SKU, Was: was.UnitPrice, Now: v.Price})
		}
	}
	return gone, changed, nil
}
