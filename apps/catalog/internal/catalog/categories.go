package catalog

import (
	"context"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
)

// maxDepth is how many levels the tree of categories may have (rule 7).
const maxDepth = 8

// CreateCategory adds a category. Problems: conflict (409) if the handle is taken, invalid-request (422).
func (c *Catalog) CreateCategory(
	ctx context.Context, n product.Category,
) (created product.Category, version uint64, err error) {
	if err := n.Check().Err(); err != nil {
		return n, 0, err
	}
	id := product.CategoryID(n.Handle)
	_, err = c.log.Do(ctx, []string{id}, func(tx *transaction) error {
		if _, _, taken := category(tx, n.Handle); taken {
			return conflict("handle", "There is a category with this handle.").With("handle", n.Handle)
		}
		if err := checkParents(tx, n); err != nil {
			return err
		}
		tx.Emit(id, product.CategoryCreated, n)
		_, version = tx.State(id)
		return nil
	})
	return n, version, err
}

// ReplaceCategory changes the name and the parent of a category; its handle stays. Problems: not-found (404),
// invalid-request (422), and those of match.
func (c *Catalog) ReplaceCategory(
	ctx context.Context, n product.Category, match Match,
) (replaced product.Category, version uint64, err error) {
	if err := n.Check().Err(); err != nil {
		return n, 0, err
	}
	id := product.CategoryID(n.Handle)
	_, err = c.log.Do(ctx, []string{id}, func(tx *transaction) error {
		before, err := existingCategory(tx, n.Handle, match)
		if err != nil {
			return err
		}
		if err := checkParents(tx, n); err != nil {
			return err
		}
		if before != n {
			tx.Emit(id, product.CategoryUpdated, n)
		}
		_, version = tx.State(id)
		return nil
	})
	return n, version, err
}

// DeleteCategory removes a category. A product that still names it, because it was changed at the same moment, loses it
// silently: readers leave out categories that do not exist. Problems: not-found (404) and those of match.
func (c *Catalog) DeleteCategory(ctx context.Context, handle string, match Match) error {
	id := product.CategoryID(handle)
	_, err := c.log.Do(ctx, []string{id}, func(tx *transaction) error {
		before, err := existingCategory(tx, handle, match)
		if err != nil {
			return err
		}
		tx.Emit(id, product.CategoryDeleted, before)
		return nil
	})
	return err
}

// existingCategory reads a category that is to be changed.
func existingCategory(tx *transaction, handle string, match Match) (product.Category, error) {
	c, version, ok := category(tx, handle)
	if !ok {
		return c, fault.Missing("category")
	}
	return c, match(version)
}

func category(tx *transaction, handle string) (c product.Category, version uint64, exists bool) {
	s, version := tx.State(product.CategoryID(handle))
	if s.Category == nil {
		return c, version, false
	}
	return *s.Category, version, true
}

// checkParents walks up the tree from c (rule 7).
func checkParents(tx *transaction, c product.Category) error {
	for depth, parent := 1, c.Parent; parent != ""; depth++ {
		if parent == c.Handle {
			return fault.BadField("parent", "is this category itself, or below it")
		}
		if depth >= maxDepth {
			return fault.BadField("parent", "is too deep in the tree, which has at most 8 levels")
		}
		up, _, ok := category(tx, parent)
		if !ok && depth == 1 {
			return fault.BadField("parent", "is not a category")
		}
		parent = up.Parent // a deleted category has none
	}
	return nil
}

// createMissing adds those categories that do not exist. A category whose parent is impossible comes to the top of the
// tree, and an invalid one is left out: a product must not fail because of it.
func createMissing(tx *transaction, wanted []product.Category) {
	for _, c := range wanted {
		if _, _, ok := category(tx, c.Handle); ok || len(c.Check()) > 0 {
			continue
		}
		if checkParents(tx, c) != nil {
			c.Parent = ""
		}
		tx.Emit(product.CategoryID(c.Handle), product.CategoryCreated, c)
	}
}
