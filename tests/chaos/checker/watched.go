package checker

import (
	"time"

	"haberdash/internal/invariants"
)

// checkWatched checks what the watcher of a running shop (apps/watcher) would find: it folds the feeds, and compares
// each order with its history.
func (c *check) checkWatched() {
	shop := invariants.NewShop(invariants.Options{})
	now := time.Time{}.Add(time.Hour)
	for _, f := range c.Feeds {
		for _, e := range f.Events {
			c.found = append(c.found, shop.Apply(e, now)...)
		}
	}
	for _, id := range shop.Orders() {
		h := history(c.Orders[id])
		c.found = append(c.found, shop.Check(id, &h, now)...)
	}
}
