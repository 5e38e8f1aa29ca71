package product

import (
	"context"

	"haberdash/internal/commitlog"
	"haberdash/internal/fault"
)

// Category is a node of the tree that products are sorted into.
type Category struct {
	Handle string `json:"handle"`
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"` // handle; empty at the top
}

// maxDepth is how many levels the tree of categories may have (rule 7).
const maxDepth = 8

// Check tidies a category and names what is wrong below root; a missing handle is made of the name.
func (c *Category) Check(root string) error { return c.check().err(root) }

func (c *Category) check() (bad problems) {
	if c.Handle == "" {
		c.Handle = Slug(c.Name)
	}
	bad.text("name", &c.Name, 1, maxText)
	if message := checkHandle(c.Handle); message != "" {
		bad.add("handle", "%s", message)
	}
	return bad
}

// category reads a category that exists.
func category(tx *commitlog.Tx[State], handle string) (Category, uint64, bool) {
	s, seq := tx.State(categoryID(handle))
	if s.Category == nil {
		return Category{}, seq, false
	}
	return *s.Category, seq, true
}

// checkParents walks up from c (rule 7).
func checkParents(tx *commitlog.Tx[State], c Category) error {
	for depth, parent := 1, c.Parent; parent != ""; depth++ {
		if parent == c.Handle {
			return fault.BadField("body.parent", "stands below this category itself")
		}
		if depth >= maxDepth {
			return fault.BadField("body.parent", "stands too deep in the tree: 8 levels are the most")
		}
		up, _, ok := category(tx, parent)
		if !ok && depth == 1 {
			return fault.BadField("body.parent", "is no category")
		}
		parent = up.Parent // of a deleted one: none
	}
	return nil
}

// CreateCategory adds a category. Problems: conflict (409) when the handle is taken, invalid-request.
func (c *Catalog) CreateCategory(ctx context.Context, n Category) (Category, uint64, error) {
	if err := n.Check("body."); err != nil {
		return n, 0, err
	}
	var seq uint64
	_, err := c.log.Do(ctx, []string{categoryID(n.Handle)}, func(tx *commitlog.Tx[State]) error {
		if _, _, taken := category(tx, n.Handle); taken {
			return conflict("body.handle", "There is a category with this handle.").With("handle", n.Handle)
		}
		if err := checkParents(tx, n); err != nil {
			return err
		}
		tx.Emit(categoryID(n.Handle), CategoryCreated, n)
		_, seq = tx.State(categoryID(n.Handle))
		return nil
	})
	return n, seq, err
}

// ReplaceCategory changes a category's name and place; its handle stays. match refuses a version.
// Problems: not-found (404), invalid-request, and match's.
func (c *Catalog) ReplaceCategory(ctx context.Context, n Category, match func(seq uint64) error) (Category, uint64, error) {
	if err := n.Check("body."); err != nil {
		return n, 0, err
	}
	var seq uint64
	_, err := c.log.Do(ctx, []string{categoryID(n.Handle)}, func(tx *commitlog.Tx[State]) error {
		before, at, ok := category(tx, n.Handle)
		if !ok {
			return fault.Missing("category")
		}
		if err := match(at); err != nil {
			return err
		}
		if err := checkParents(tx, n); err != nil {
			return err
		}
		if before != n {
			tx.Emit(categoryID(n.Handle), CategoryUpdated, n)
		}
		_, seq = tx.State(categoryID(n.Handle))
		return nil
	})
	return n, seq, err
}

// DeleteCategory removes a category. What still names it (a product changed at the same moment) loses
// it silently: readers leave out categories that are not there.
func (c *Catalog) DeleteCategory(ctx context.Context, handle string, match func(seq uint64) error) error {
	_, err := c.log.Do(ctx, []string{categoryID(handle)}, func(tx *commitlog.Tx[State]) error {
		before, at, ok := category(tx, handle)
		if !ok {
			return fault.Missing("category")
		}
		if err := match(at); err != nil {
			return err
		}
		tx.Emit(categoryID(handle), CategoryDeleted, before)
		return nil
	})
	return err
}
