package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/names"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Report counts what an import did. A product counts once for each item of it; Failed counts the rows that were left
// out, all of which are in Errors.
type Report struct {
	Created, Updated, Unchanged, Failed int
	Errors                              []imports.RowError
}

func (r *Report) add(o Report) {
	r.Created, r.Updated, r.Unchanged = r.Created+o.Created, r.Updated+o.Updated, r.Unchanged+o.Unchanged
	r.Failed, r.Errors = r.Failed+o.Failed, append(r.Errors, o.Errors...)
}

// Import imports items, in one commit if they fit (about 100 do), and opens receipts for what they counted: see
// Receipts. After an error some items may be imported; a repetition imports the rest.
func (c *Catalog) Import(ctx context.Context, items []imports.Item) (Report, error) {
	report, err := c.importTogether(ctx, items)
	if !errors.Is(err, commitlog.ErrTooLarge) {
		return report, err
	}
	if len(items) == 1 {
		tooLarge := imports.RowError{Line: items[0].Line, Handle: items[0].Handle, Reason: "the product is too large"}
		return Report{Failed: 1, Errors: []imports.RowError{tooLarge}}, nil
	}
	var sum Report
	for _, half := range [][]imports.Item{items[:len(items)/2], items[len(items)/2:]} {
		report, err := c.Import(ctx, half)
		if err != nil {
			return sum, err
		}
		sum.add(report)
	}
	return sum, nil
}

// importTogether imports items in one commit.
func (c *Catalog) importTogether(ctx context.Context, items []imports.Item) (report Report, err error) {
	ids := make([]string, len(items))
	for i := range ids {
		ids[i] = "prd_" + c.newID()
	}
	receipt := c.newID()
	_, err = c.log.Do(ctx, ids, func(tx *transaction) error {
		report = Report{} // the command may be decided several times
		delta := map[string]int64{}
		for i, it := range items {
			report.add(importItem(tx, it, ids[i], delta))
		}
		openReceipts(tx, receipt, delta)
		return nil
	})
	return report, err
}

// importItem imports one item. A new product gets the id. delta collects the changes of stock by SKU.
func importItem(tx *transaction, it imports.Item, id string, delta map[string]int64) (r Report) {
	fail := func(reason string) Report {
		r.Failed, r.Errors = r.Failed+1, append(r.Errors, imports.RowError{Line: it.Line, Handle: it.Handle, Reason: reason})
		return r
	}
	if it.Whole != nil {
		it.Handle = it.Whole.Handle
	}
	if message := names.CheckHandle(it.Handle); message != "" {
		return fail("handle: " + message)
	}
	var old *product.Product
	if s, _ := tx.State(product.HandleID(it.Handle)); s.Owner != "" {
		id = s.Owner
		s, _ = tx.State(id)
		old = s.Product
	}
	var p product.Product
	var counts map[int]int64
	if it.Whole != nil {
		p = it.Whole.Clone()
		if bad := p.Check(); len(bad) > 0 {
			return fail(bad.Reason())
		}
	} else {
		var base *product.Product
		if old != nil {
			c := old.Clone()
			base = &c
		}
		var ok bool
		p, counts, r.Errors, ok = it.Merge(base, func(sku string) bool { return ownedByAnother(tx, sku, id) })
		if r.Failed = len(r.Errors); !ok {
			return r
		}
	}
	p.ID = id
	_, before := tx.State(id)
	if err := save(tx, old, p); err != nil {
		f := fault.Of(err)
		return fail(fmt.Sprintf("%s: %s", f.Fields[0].Location, f.Detail))
	}
	createMissing(tx, it.NeededCategories())
	s, after := tx.State(id)
	counted := countItem(tx, it, *s.Product, counts, delta)
	switch {
	case old == nil:
		r.Created++
	case after != before || counted:
		r.Updated++
	default:
		r.Unchanged++
	}
	return r
}

// countItem records what the item counted and adds the difference to delta (rule 6). byPosition has the quantities of
// merged rows by the position of their variant.
func countItem(
	tx *transaction, it imports.Item, p product.Product, byPosition map[int]int64, delta map[string]int64,
) (changed bool) {
	bySKU := maps.Clone(it.Counts)
	if bySKU == nil {
		bySKU = map[string]int64{}
	}
	for i, n := range byPosition {
		bySKU[p.Variants[i].SKU] = n
	}
	for _, sku := range slices.Sorted(maps.Keys(bySKU)) {
		s, _ := tx.State(product.SKUID(sku))
		if d := bySKU[sku] - s.Counted; d != 0 {
			tx.EmitInternal(product.SKUID(sku), product.SKUCounted, product.Count{Delta: d})
			delta[sku] += d
			changed = true
		}
	}
	return changed
}
