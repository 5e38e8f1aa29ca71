// Package readmodel reads the orders log in other ways than by the id of one order: lists of orders, the history of an
// order for people, and the changes that background work needs to process.
package readmodel

import (
	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
)

// Orders reads an orders log. It is safe for concurrent use.
type Orders struct {
	log   *commitlog.Partition[order.State]
	lists *projection.Lists[order.State]
}

// New makes a read model of an open orders log. List needs its projection to run.
func New(log *commitlog.Partition[order.State]) *Orders {
	return &Orders{log, projection.NewLists(log)}
}

// Projection keeps the pages of the lists.
func (r *Orders) Projection() *projection.Projection { return r.lists.Projection() }
