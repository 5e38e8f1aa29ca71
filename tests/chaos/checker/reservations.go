package checker

import (
	"maps"
	"slices"

	"haberdash/tests/api"
	"haberdash/tests/chaos/snapshot"
	"haberdash/tests/chaos/view"
)

// checkReservations checks that for each order exactly its unshipped quantities are reserved, that each of its parcels
// left the stock once, and that each return to be restocked entered the stock once.
func (c *check) checkReservations() {
	reservations := c.Reservations()
	comparePart := func(kind string, o snapshot.Order, id string, lines []api.Item) {
		part := snapshot.Part{Kind: kind, Order: o.ID, ID: id}
		want := map[string]int64{}
		for _, l := range lines {
			want[l.SKU] += l.Quantity
		}
		if got := reservations.Moved[part]; !maps.Equal(got, want) {
			c.violated(o.ID, "%s %s has %v, but %v in the history of the stock", kind, id, want, got)
		}
		delete(reservations.Moved, part)
	}
	for id, o := range c.Orders {
		for _, f := range o.Shipped() {
			comparePart("parcel", o, f.ID, f.Lines)
		}
		for _, r := range o.Returns {
			if slices.ContainsFunc(o.Events, func(e view.Event) bool {
				return e.Type == "return.received" && e.Data.ID == r.ID && e.Data.Restock
			}) {
				comparePart("return", o, r.ID, r.Lines)
			}
		}
		for sku, want := range o.Unshipped() {
			key := snapshot.OrderSKU{Order: id, SKU: sku}
			if got := reservations.Reserved[key]; got != want {
				c.violated(id, "is %s: %d of %s are reserved for it instead of %d", o.Status, got, sku, want)
			}
			delete(reservations.Reserved, key)
		}
	}
	for key, n := range reservations.Reserved {
		if n != 0 {
			c.violated(key.Order, "%d of %s are reserved for it, but it has no such line", n, key.SKU)
		}
	}
	for part, quantities := range reservations.Moved {
		c.violated("", "the history of the stock has a %+v of %v, which no order has", part, quantities)
	}
}
