package product

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Catalog changes products and categories. Its methods may be called at the same time, from several
// processes; each is atomic.
type Catalog struct {
	log   *commitlog.Partition[State]
	newID func() string
}

// NewCatalog makes a catalogue on its open log. newID gives ids for products and receipts.
func NewCatalog(log *commitlog.Partition[State], newID func() string) *Catalog {
	return &Catalog{log, newID}
}

// Create adds a product and gives it an id. Problems: conflict (409) for a taken handle or SKU, naming
// the field; invalid-request (422).
func (c *Catalog) Create(ctx context.Context, p Product) (made Product, seq uint64, err error) {
	if err := p.Check("body."); err != nil {
		return p, 0, err
	}
	id := "prd_" + c.newID()
	_, err = c.log.Do(ctx, []string{id}, func(tx *commitlog.Tx[State]) error {
		if err := checkCategories(tx, p); err != nil {
			return err
		}
		n := p
		n.ID = id
		if err := save(tx, nil, n); err != nil {
			return err
		}
		var s State
		s, seq = tx.State(id)
		made = *s.Product
		return nil
	})
	return made, seq, err
}

// Replace puts p in the place of the product with the id. match refuses a version. Problems: not-found
// (404), match's, and those of Create. Without a difference nothing is written.
func (c *Catalog) Replace(ctx context.Context, id string, p Product, match func(seq uint64) error) (made Product, seq uint64, err error) {
	if err := p.Check("body."); err != nil {
		return p, 0, err
	}
	_, err = c.log.Do(ctx, []string{id}, func(tx *commitlog.Tx[State]) error {
		s, at := tx.State(id)
		if s.Product == nil {
			return fault.Missing("product")
		}
		if err := match(at); err != nil {
			return err
		}
		if err := checkCategories(tx, p); err != nil {
			return err
		}
		n := p
		n.ID = id
		if err := save(tx, s.Product, n); err != nil {
			return err
		}
		s, seq = tx.State(id)
		made = *s.Product
		return nil
	})
	return made, seq, err
}

// Delete removes a product and frees its handle and SKUs. Problems: not-found (404) and match's.
func (c *Catalog) Delete(ctx context.Context, id string, match func(seq uint64) error) error {
	_, err := c.log.Do(ctx, []string{id}, func(tx *commitlog.Tx[State]) error {
		s, at := tx.State(id)
		if s.Product == nil {
			return fault.Missing("product")
		}
		if err := match(at); err != nil {
			return err
		}
		tx.Emit(id, Deleted, s.Product)
		tx.Note(handleID(s.Product.Handle), freed, struct{}{})
		for _, sku := range s.Product.SKUs() {
			tx.Note(skuID(sku), freed, struct{}{})
		}
		return nil
	})
	return err
}

func checkCategories(tx *commitlog.Tx[State], p Product) error {
	for i, handle := range p.Categories {
		if _, _, ok := category(tx, handle); !ok {
			return fault.BadField(fmt.Sprintf("body.categories[%d]", i), "is no category")
		}
	}
	return nil
}

// save writes n, which Check has passed, in place of old (nil: as a new product), with the SKUs that are
// missing (rule 3), and keeps the owners of handles and SKUs (rule 1). It emits nothing when it refuses,
// and nothing when nothing differs.
func save(tx *commitlog.Tx[State], old *Product, n Product) error {
	if err := own(tx, handleID(n.Handle), n.ID, "body.handle", "handle", n.Handle); err != nil {
		return err
	}
	for i, v := range n.Variants {
		if v.SKU == "" {
			continue
		}
		if err := own(tx, skuID(v.SKU), n.ID, fmt.Sprintf("body.variants[%d].sku", i), "sku", v.SKU); err != nil {
			return err
		}
	}
	n.Variants = withSKUs(tx, old, n)
	event, before := Created, Product{}
	if old != nil {
		event, before = Updated, *old
	}
	n.CreatedAt, n.UpdatedAt = before.CreatedAt, before.UpdatedAt
	if old != nil && same(before, n) {
		return nil
	}
	n.CreatedAt, n.UpdatedAt = time.Time{}, time.Time{} // the events' own times say it
	tx.Emit(n.ID, event, n)
	hand(tx, handleID, []string{before.Handle}, []string{n.Handle}, n.ID)
	hand(tx, skuID, before.SKUs(), n.SKUs(), n.ID)
	return nil
}

// own refuses a name that another product has.
func own(tx *commitlog.Tx[State], key, id, field, member, value string) error {
	if s, _ := tx.State(key); s.Owner != "" && s.Owner != id {
		return conflict(field, "Another product has this "+member+".").With(member, value).With("productId", s.Owner)
	}
	return nil
}

func conflict(field, detail string) *fault.Error {
	return fault.New(fault.Conflict, "conflict", "%s", detail).WithField(field, "is taken")
}

// hand records which names the product no longer has and which it now has.
func hand(tx *commitlog.Tx[State], key func(string) string, before, after []string, id string) {
	for _, name := range before {
		if name != "" && !slices.Contains(after, name) {
			tx.Note(key(name), freed, struct{}{})
		}
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			tx.Note(key(name), taken, ownership{id})
		}
	}
}

// withSKUs completes the SKUs: the one the variant with the same options had, else a derived one.
func withSKUs(tx *commitlog.Tx[State], old *Product, n Product) []Variant {
	variants := slices.Clone(n.Variants)
	used := map[string]bool{}
	for _, v := range variants {
		used[v.SKU] = true
	}
	had := map[string]string{}
	if old != nil {
		for _, v := range old.Variants {
			had[v.optionKey(n.Options)] = v.SKU
		}
	}
	for i, v := range variants {
		if v.SKU != "" {
			continue
		}
		if sku := had[v.optionKey(n.Options)]; sku != "" && !used[sku] {
			variants[i].SKU = sku
		} else {
			variants[i].SKU = DeriveSKU(n.Handle, v.values(n.Options), func(sku string) bool {
				s, _ := tx.State(skuID(sku))
				return used[sku] || s.Owner != "" && s.Owner != n.ID
			})
		}
		used[variants[i].SKU] = true
	}
	return variants
}

// same compares what would be stored.
func same(a, b Product) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
