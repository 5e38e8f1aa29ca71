package chaos

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"haberdash/tests/api"
)

// stock: at every location, at every moment, 0 ≤ reserved ≤ onHand; and the levels are what the history comes to.
func (c *check) stock() {
	for sku, book := range c.Stock {
		levels := map[string]*Level{}
		for _, l := range book.Levels {
			levels[l.Location] = &Level{Location: l.Location}
		}
		seqs := map[string]int64{}
		for _, e := range book.Events {
			l := levels[e.Location]
			if l == nil {
				c.broken("", "%s: an event at %q, which the levels do not have", sku, e.Location)
				continue
			}
			if seqs[e.Location]++; seqs[e.Location] != e.Seq {
				c.broken("", "%s at %s: event %d follows %d", sku, e.Location, e.Seq, seqs[e.Location]-1)
			}
			l.apply(e)
			if l.Reserved < 0 || l.Reserved > l.OnHand {
				c.broken(e.Data.Order, "%s at %s: %d on hand and %d reserved after event %d, %s of %d", sku, l.Location, l.OnHand, l.Reserved, e.Seq, e.Type, e.Data.Quantity)
			}
		}
		for _, told := range book.Levels {
			if told != *levels[told.Location] {
				c.broken("", "%s at %s: told are %d on hand and %d reserved, the history comes to %d and %d", sku, told.Location,
					told.OnHand, told.Reserved, levels[told.Location].OnHand, levels[told.Location].Reserved)
			}
		}
	}
}

func (l *Level) apply(e StockEvent) {
	switch n := e.Data.Quantity; e.Type {
	case "stock.received", "stock.adjusted", "stock.returned":
		l.OnHand += n
	case "stock.reserved":
		l.Reserved += n
	case "stock.released":
		l.Reserved -= n
	case "stock.shipped":
		l.OnHand -= n
		l.Reserved -= n
	}
}

// held is what the stock has done for one order, of one SKU.
type held struct{ reserved, released, shipped, returned int64 }

func (h held) live() int64 { return h.reserved - h.released - h.shipped }

// reservations: of each order exactly that is held which it has bought and not been sent, each of its parcels has left
// the shelf once, and each of its returns is back on it once, if it was to be.
func (c *check) reservations() {
	type item struct{ order, sku string }
	byItem := map[item]held{}
	byPart := map[string]map[string]int64{} // by order, kind and part: quantities by SKU
	part := func(kind, order, id string) map[string]int64 {
		key := kind + " " + order + " " + id
		if byPart[key] == nil {
			byPart[key] = map[string]int64{}
		}
		return byPart[key]
	}
	for sku, book := range c.Stock {
		for _, e := range book.Events {
			if e.Data.Order == "" {
				continue
			}
			h := byItem[item{e.Data.Order, sku}]
			switch n := e.Data.Quantity; e.Type {
			case "stock.reserved":
				h.reserved += n
			case "stock.released":
				h.released += n
			case "stock.shipped":
				h.shipped += n
				part("parcel", e.Data.Order, e.Data.ID)[sku] += n
			case "stock.returned":
				h.returned += n
				part("return", e.Data.Order, e.Data.ID)[sku] += n
			}
			byItem[item{e.Data.Order, sku}] = h
		}
	}
	expect := func(kind string, o OrderBook, id string, lines []api.Item) {
		got := part(kind, o.ID, id)
		want := map[string]int64{}
		for _, l := range lines {
			want[l.SKU] += l.Quantity
		}
		if !maps.Equal(got, want) {
			c.broken(o.ID, "%s %s is %v, and in the stock's history %v", kind, id, want, got)
		}
		delete(byPart, kind+" "+o.ID+" "+id)
	}
	for id, o := range c.Orders {
		for _, f := range o.sent() {
			expect("parcel", o, f.ID, f.Lines)
		}
		for _, r := range o.Returns {
			if slices.ContainsFunc(o.Events, func(e Event) bool { return e.Type == "return.received" && e.Data.ID == r.ID && e.Data.Restock }) {
				expect("return", o, r.ID, r.Lines)
			}
		}
		for sku, n := range o.unsent() {
			if live := byItem[item{id, sku}].live(); live != n {
				c.broken(id, "is %s: %d of %s are held for it instead of %d", o.Status, live, sku, n)
			}
			delete(byItem, item{id, sku})
		}
	}
	for i, h := range byItem {
		if h.live() != 0 {
			c.broken(i.order, "%d of %s are held for an order that has not bought it", h.live(), i.sku)
		}
	}
	for key, lines := range byPart {
		if len(lines) > 0 {
			c.broken("", "the stock's history has a %s of %v, and no order has", key, lines)
		}
	}
}

// unsent is what is to be held for an order, by each SKU that it has.
func (o Order) unsent() map[string]int64 {
	left := map[string]int64{}
	for _, i := range o.items() {
		left[i.SKU] = i.Quantity
		if o.Status == "rejected" || o.Status == "cancelled" {
			left[i.SKU] = 0
		}
	}
	for _, f := range o.sent() {
		for _, i := range f.Lines {
			left[i.SKU] -= i.Quantity
		}
	}
	return left
}

// movements: each adjustment that was acknowledged is in the history once, each that was refused is not, and nothing
// else but the import brought or took goods.
func (c *check) movements() {
	type entry struct {
		sku, location string
		delta         int64
	}
	made := map[string][]entry{} // by reason
	bought := map[string]int64{}
	for sku, book := range c.Stock {
		for _, e := range book.Events {
			switch {
			case e.Type != "stock.received" && e.Type != "stock.adjusted":
			case e.Data.Reason == "import":
				bought[sku] += e.Data.Quantity
			default:
				made[e.Data.Reason] = append(made[e.Data.Reason], entry{sku, e.Location, e.Data.Quantity})
			}
		}
		if bought[sku] != c.witness.goods[sku] {
			c.broken("", "%s: %d were imported, the history has %d", sku, c.witness.goods[sku], bought[sku])
		}
	}
	for _, m := range c.witness.movements {
		var want []entry
		if m.Status == http.StatusOK {
			want = []entry{{m.SKU, cmp.Or(m.Location, Locations[0]), m.Delta}}
		}
		if !slices.Equal(made[m.Reason], want) {
			c.broken("", "adjustment %s was answered with %d, and the history has %v", m.Key, m.Status, made[m.Reason])
		}
		delete(made, m.Reason)
	}
	for reason, entries := range made {
		c.broken("", "nobody has made the adjustment %q of %v", reason, entries)
	}
}
