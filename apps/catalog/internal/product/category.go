package product

import "haberdash/apps/catalog/internal/names"

// Category is a node of the tree by which products are sorted.
type Category struct {
	Handle string `json:"handle"`
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"` // handle; empty at the top of the tree
}

// Check says what is wrong with a category by itself, after it has trimmed the name and derived a missing handle
// from it.
func (c *Category) Check() (bad Problems) {
	if c.Handle == "" {
		c.Handle = names.Slug(c.Name)
	}
	bad.text("name", &c.Name, 1, maxText)
	if message := names.CheckHandle(c.Handle); message != "" {
		bad.add("handle", "%s", message)
	}
	return bad
}
