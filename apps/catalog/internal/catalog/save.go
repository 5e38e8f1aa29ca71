package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"haberdash/apps/catalog/internal/names"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
)

// save writes p, which Check has passed, in place of old (nil: as a new product). It derives missing SKUs (rule 3) and
// records who owns which handle and SKU (rule 1). It emits nothing if it refuses, and nothing if the two do not differ.
func save(tx *transaction, old *product.Product, p product.Product) error {
	if err := requireFree(tx, product.HandleID(p.Handle), p.ID, "handle", "handle", p.Handle); err != nil {
		return err
	}
	for i, v := range p.Variants {
		if v.SKU == "" {
			continue
		}
		field := fmt.Sprintf("variants[%d].sku", i)
		if err := requireFree(tx, product.SKUID(v.SKU), p.ID, field, "sku", v.SKU); err != nil {
			return err
		}
	}
	p.Variants = completeSKUs(tx, old, p)
	event, before := product.Created, product.Product{}
	if old != nil {
		event, before = product.Updated, *old
	}
	p.CreatedAt, p.UpdatedAt = before.CreatedAt, before.UpdatedAt
	if old != nil && equal(before, p) {
		return nil
	}
	p.CreatedAt, p.UpdatedAt = time.Time{}, time.Time{} // they are the times of the events
	tx.Emit(p.ID, event, p)
	recordOwner(tx, product.HandleID, []string{before.Handle}, []string{p.Handle}, p.ID)
	recordOwner(tx, product.SKUID, before.SKUs(), p.SKUs(), p.ID)
	return nil
}

// requireFree refuses a name that another product has. key is the aggregate of the name, member its member of the
// problem.
func requireFree(tx *transaction, key, id, field, member, name string) error {
	if s, _ := tx.State(key); s.Owner != "" && s.Owner != id {
		return conflict(field, "Another product has this "+member+".").With(member, name).With("productId", s.Owner)
	}
	return nil
}

func conflict(field, detail string) *fault.Error {
	return fault.New(fault.Conflict, "conflict", "%s", detail).WithField(field, "is taken")
}

// recordOwner frees the names that a product had before and takes those that it has after.
func recordOwner(tx *transaction, key func(name string) string, before, after []string, id string) {
	for _, name := range before {
		if name != "" && !slices.Contains(after, name) {
			tx.EmitInternal(key(name), product.NameFreed, struct{}{})
		}
	}
	for _, name := range after {
		if !slices.Contains(before, name) {
			tx.EmitInternal(key(name), product.NameTaken, product.Ownership{Product: id})
		}
	}
}

// completeSKUs gives each variant without a SKU the one that the variant with the same options had before, else a
// derived one.
func completeSKUs(tx *transaction, old *product.Product, p product.Product) []product.Variant {
	variants := slices.Clone(p.Variants)
	used := map[string]bool{}
	for _, v := range variants {
		used[v.SKU] = true
	}
	had := map[string]string{}
	if old != nil {
		for _, v := range old.Variants {
			had[v.OptionKey(p.Options)] = v.SKU
		}
	}
	for i, v := range variants {
		if v.SKU != "" {
			continue
		}
		if sku := had[v.OptionKey(p.Options)]; sku != "" && !used[sku] {
			variants[i].SKU = sku
		} else {
			variants[i].SKU = names.DeriveSKU(p.Handle, v.Values(p.Options), func(sku string) bool {
				return used[sku] || ownedByAnother(tx, sku, p.ID)
			})
		}
		used[variants[i].SKU] = true
	}
	return variants
}

// ownedByAnother tells whether a product other than that with the id has the SKU.
func ownedByAnother(tx *transaction, sku, id string) bool {
	s, _ := tx.State(product.SKUID(sku))
	return s.Owner != "" && s.Owner != id
}

// equal compares what would be stored.
func equal(a, b product.Product) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}
