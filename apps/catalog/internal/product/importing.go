package product

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Report sums up an import. Products that are new, changed and the same are counted once a run of their
// rows; Failed counts rows that were left out, all of which stand in Errors.
type Report struct {
	Created, Updated, Unchanged, Failed int
	Errors                              []RowError
}

// add takes over another report's figures.
func (r *Report) add(o Report) {
	r.Created, r.Updated, r.Unchanged = r.Created+o.Created, r.Updated+o.Updated, r.Unchanged+o.Unchanged
	r.Failed, r.Errors = r.Failed+o.Failed, append(r.Errors, o.Errors...)
}

// Import takes in items, at best in one commit (about 100 items are a good batch), and opens receipts for
// what they counted: Settle them. An error is an outage: some items may be in already; repeat the
// import.
func (c *Catalog) Import(ctx context.Context, items []Item) (Report, error) {
	report, err := c.importOnce(ctx, items)
	if !errors.Is(err, commitlog.ErrTooLarge) {
		return report, err
	}
	if len(items) == 1 {
		return Report{Failed: 1, Errors: []RowError{{items[0].Line, items[0].Handle, "the product is too large"}}}, nil
	}
	var sum Report
	for _, half := range [][]Item{items[:len(items)/2], items[len(items)/2:]} {
		report, err := c.Import(ctx, half)
		if err != nil {
			return sum, err
		}
		sum.add(report)
	}
	return sum, nil
}

func (c *Catalog) importOnce(ctx context.Context, items []Item) (report Report, err error) {
	ids := make([]string, len(items))
	for i := range ids {
		ids[i] = "prd_" + c.newID()
	}
	receipt := c.newID()
	_, err = c.log.Do(ctx, ids, func(tx *commitlog.Tx[State]) error {
		report = Report{} // decided anew
		delta := map[string]int64{}
		for i, it := range items {
			report.add(importItem(tx, it, ids[i], delta))
		}
		openReceipts(tx, receipt, delta)
		return nil
	})
	return report, err
}

// importItem decides one item. New products get the id. delta collects the changes of stock by SKU.
func importItem(tx *commitlog.Tx[State], it Item, id string, delta map[string]int64) (r Report) {
	fail := func(reason string) Report {
		r.Failed, r.Errors = r.Failed+1, append(r.Errors, RowError{it.Line, it.Handle, reason})
		return r
	}
	if it.Whole != nil {
		it.Handle = it.Whole.Handle
	}
	if message := checkHandle(it.Handle); message != "" {
		return fail("handle: " + message)
	}
	var old *Product
	if s, _ := tx.State(handleID(it.Handle)); s.Owner != "" {
		id = s.Owner
		s, _ = tx.State(id)
		old = s.Product
	}
	var n Product
	var counts map[int]int64
	if it.Whole != nil {
		n = it.Whole.clone()
		if bad := n.check(); len(bad) > 0 {
			return fail(bad.reason())
		}
	} else {
		var base *Product
		if old != nil {
			c := old.clone()
			base = &c
		}
		var ok bool
		n, counts, r.Errors, ok = it.merge(base, func(sku string) bool {
			s, _ := tx.State(skuID(sku))
			return s.Owner != "" && s.Owner != id
		})
		if r.Failed = len(r.Errors); !ok {
			return r
		}
	}
	n.ID = id
	_, before := tx.State(id)
	if err := save(tx, old, n); err != nil {
		f := fault.Of(err)
		return fail(fmt.Sprintf("%s: %s", f.Fields[0].Location[len("body."):], f.Detail))
	}
	ensureCategories(tx, it.wanted())
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

// countItem notes what the item counted and adds the difference to delta (rule 6).
func countItem(tx *commitlog.Tx[State], it Item, p Product, byIndex map[int]int64, delta map[string]int64) (changed bool) {
	bySKU := maps.Clone(it.Counts)
	if bySKU == nil {
		bySKU = map[string]int64{}
	}
	for i, n := range byIndex {
		bySKU[p.Variants[i].SKU] = n
	}
	for _, sku := range slices.Sorted(maps.Keys(bySKU)) {
		s, _ := tx.State(skuID(sku))
		if d := bySKU[sku] - s.Counted; d != 0 {
			tx.Note(skuID(sku), counted, count{d})
			delta[sku] += d
			changed = true
		}
	}
	return changed
}

// ensureCategories adds the categories that are not there. One that is wrong, or would be too deep or
// below itself, comes to the top of the tree or is left out: a product does not fail for it.
func ensureCategories(tx *commitlog.Tx[State], wanted []Category) {
	for _, c := range wanted {
		if _, _, ok := category(tx, c.Handle); ok || len(c.check()) > 0 {
			continue
		}
		if checkParents(tx, c) != nil {
			c.Parent = ""
		}
		tx.Emit(categoryID(c.Handle), CategoryCreated, c)
	}
}

// categoryName makes a name of a handle, for a category that an import mentions and nobody named.
func categoryName(handle string) string {
	words := strings.FieldsFunc(handle, func(r rune) bool { return r == '-' || r == '_' })
	if len(words) == 0 {
		return handle
	}
	name := []rune(strings.Join(words, " "))
	name[0] = unicode.ToUpper(name[0])
	return string(name)
}

// wanted lists the categories an item needs, parents first: those it describes, then those it names.
func (it Item) wanted() []Category {
	all := slices.Clone(it.Categories)
	if it.Whole != nil {
		known := map[string]bool{}
		for _, c := range all {
			known[c.Handle] = true
		}
		for _, handle := range it.Whole.Categories {
			if !known[handle] {
				all = append(all, Category{Handle: handle, Name: categoryName(handle)})
			}
		}
	}
	return all
}
