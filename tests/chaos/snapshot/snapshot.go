// Package snapshot reads everything that can be read of a shop from outside: orders, stock, carts, feeds, audits, mails
// and the payment provider's ledger. It uses public routes, and the routes of an app that its own sidecar may call.
package snapshot

import (
	"fmt"
	"slices"

	"haberdash/internal/contract"
	"haberdash/tests/chaos/view"
	"haberdash/tests/psp"
)

// Snapshot is the state of a shop.
type Snapshot struct {
	Orders  map[string]Order     // by id
	Stock   map[string]Stock     // by SKU
	Carts   map[string]view.Cart // by id
	Ledger  psp.Ledger
	Feeds   []Feed
	Cursors map[string][]contract.Cursor // by app
	Audits  []contract.Audit
	Mails   []Mail
	Listed  map[string][]string // ids of the orders in a customer's list, by the customer's name

	// Moved is set if an event was published or consumed while the snapshot was read. Its parts may contradict each
	// other then.
	Moved bool
}

// Order is an order with its history, oldest event first.
type Order struct {
	view.Order
	Events []view.Event
}

// Has reports whether the history has an event of the type.
func (o Order) Has(eventType string) bool {
	return slices.ContainsFunc(o.Events, func(e view.Event) bool { return e.Type == eventType })
}

// Stock is the stock of a SKU with its history, oldest event first at each location.
type Stock struct {
	Levels []view.Level      `json:"locations"`
	Events []view.StockEvent `json:"-"`
}

// IDsByEmail returns the ids of the orders by their e-mail address. Each idempotency key has an address of its own.
func (s *Snapshot) IDsByEmail() map[string][]string {
	ids := map[string][]string{}
	for id, o := range s.Orders {
		ids[o.Email] = append(ids[o.Email], id)
	}
	return ids
}

// Unfinished lists the work that the shop still has to do: undecided orders, pending captures and refunds, and events
// that a consumer has not applied.
func (s *Snapshot) Unfinished() (list []string) {
	for id, o := range s.Orders {
		for _, work := range o.unfinished() {
			list = append(list, "order "+id+" ("+o.Number+"): "+work)
		}
	}
	if s.Moved {
		list = append(list, "a log has grown while the snapshot was read")
	}
	list = append(list, s.Behind()...)
	slices.Sort(list)
	return list
}

func (o Order) unfinished() (list []string) {
	if o.Status == "placing" {
		list = append(list, "is undecided")
	}
	for _, f := range o.Fulfilments {
		if f.Status == "pending" {
			list = append(list, "fulfilment "+f.ID+" is pending")
		}
	}
	for _, r := range o.Returns {
		if r.Status == "received" && r.Refunded == nil {
			list = append(list, "return "+r.ID+" is not refunded")
		}
	}
	if o.Status == "cancelled" && !o.Has("payment.voided") {
		list = append(list, "is cancelled, but its payment and its stock are not released")
	}
	for _, e := range o.Events {
		if e.Type == "refund.requested" && !slices.ContainsFunc(o.Events, func(end view.Event) bool {
			return (end.Type == "refund.settled" || end.Type == "refund.failed") && end.Data.ID == e.Data.Refund.ID
		}) {
			list = append(list, "refund "+e.Data.Refund.ID+" is pending")
		}
	}
	return list
}

// Behind lists the consumers that have not reached the end of a feed.
func (s *Snapshot) Behind() (list []string) {
	heads := map[string]uint64{}
	for _, f := range s.Feeds {
		heads[f.Source+"/"+f.Partition] = f.Head
	}
	for app, cursors := range s.Cursors {
		for _, c := range cursors {
			if head, known := heads[c.Source+"/"+c.Partition]; known && c.Position < head {
				list = append(list,
					fmt.Sprintf("%s has reached position %d of %d in the log of %s", app, c.Position, head, c.Source))
			}
		}
	}
	return list
}

// Levels returns the quantity of a SKU on hand and the reserved quantity, summed over all locations.
func (s *Snapshot) Levels(sku string) (onHand, reserved int64) {
	for _, l := range s.Stock[sku].Levels {
		onHand, reserved = onHand+l.OnHand, reserved+l.Reserved
	}
	return onHand, reserved
}
