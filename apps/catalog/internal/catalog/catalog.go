// Package catalog has the commands that change the catalogue: products, categories, imports, and the receipts of the
// quantities that imports have counted. Each command is atomic: it emits all its events to the catalogue's log, or
// none. Package product has the rules.
package catalog

import (
	"context"
	"fmt"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Catalog changes products and categories. It is safe for concurrent use, also by several processes.
type Catalog struct {
	log   *commitlog.Partition[product.State]
	newID func() string
}

// New makes a catalogue on its open log. newID makes the ids of products and receipts.
func New(log *commitlog.Partition[product.State], newID func() string) *Catalog {
	return &Catalog{log, newID}
}

// Match refuses a version of a product or category that the client has not read.
type Match func(version uint64) error

type transaction = commitlog.Tx[product.State]

// Create adds a product, with an id. Problems: conflict (409) for a handle or SKU that another product has, with the
// field; invalid-request (422).
func (c *Catalog) Create(ctx context.Context, p product.Product) (created product.Product, version uint64, err error) {
	if err := p.Check().Err(); err != nil {
		return p, 0, err
	}
	p.ID = "prd_" + c.newID()
	_, err = c.log.Do(ctx, []string{p.ID}, func(tx *transaction) error {
		if err := checkCategories(tx, p); err != nil {
			return err
		}
		if err := save(tx, nil, p); err != nil {
			return err
		}
		s, seq := tx.State(p.ID)
		created, version = *s.Product, seq
		return nil
	})
	return created, version, err
}

// Replace replaces the product with the id by p. It writes nothing if they do not differ. Problems: not-found (404),
// those of match, and those of Create.
func (c *Catalog) Replace(
	ctx context.Context, id string, p product.Product, match Match,
) (replaced product.Product, version uint64, err error) {
	if err := p.Check().Err(); err != nil {
		return p, 0, err
	}
	p.ID = id
	_, err = c.log.Do(ctx, []string{id}, func(tx *transaction) error {
		before, err := existing(tx, id, match)
		if err != nil {
			return err
		}
		if err := checkCategories(tx, p); err != nil {
			return err
		}
		if err := save(tx, before, p); err != nil {
			return err
		}
		s, seq := tx.State(id)
		replaced, version = *s.Product, seq
		return nil
	})
	return replaced, version, err
}

// Delete removes a product, and frees its handle and SKUs. Problems: not-found (404) and those of match.
func (c *Catalog) Delete(ctx context.Context, id string, match Match) error {
	_, err := c.log.Do(ctx, []string{id}, func(tx *transaction) error {
		p, err := existing(tx, id, match)
		if err != nil {
			return err
		}
		tx.Emit(id, product.Deleted, p)
		tx.EmitInternal(product.HandleID(p.Handle), product.NameFreed, struct{}{})
		for _, sku := range p.SKUs() {
			tx.EmitInternal(product.SKUID(sku), product.NameFreed, struct{}{})
		}
		return nil
	})
	return err
}

// existing reads a product that is to be changed.
func existing(tx *transaction, id string, match Match) (*product.Product, error) {
	s, version := tx.State(id)
	if s.Product == nil {
		return nil, fault.Missing("product")
	}
	return s.Product, match(version)
}

func checkCategories(tx *transaction, p product.Product) error {
	for i, handle := range p.Categories {
		if _, _, ok := category(tx, handle); !ok {
			return fault.BadField(fmt.Sprintf("categories[%d]", i), "is not a category")
		}
	}
	return nil
}
