package chaos

import (
	"regexp"
	"slices"
	"strings"

	"haberdash/tests/api"
)

// mails: one for each confirmed order, to whom it concerns, and none for any other. A repetition has the same file name
// and so is the same file.
func (c *check) mails() {
	files := map[string][]string{} // by receiver and number
	for _, m := range c.Mails {
		if number := confirmation.FindStringSubmatch(m.Subject); number != nil {
			files[m.To+" "+number[1]] = append(files[m.To+" "+number[1]], m.File)
		}
	}
	for id, o := range c.Orders {
		want := 0
		if o.happened("order.confirmed") {
			want = 1
		}
		letter := o.Email + " " + o.Number
		if got := files[letter]; len(got) != want {
			c.broken(id, "%s has %d confirmations of %s instead of %d: %v", o.Email, len(got), o.Number, want, got)
		}
		delete(files, letter)
	}
	for letter, names := range files {
		c.broken("", "a confirmation of no order: %s %v", letter, names)
	}
}

// confirmation is the subject of the mail that confirms an order of a number.
var confirmation = regexp.MustCompile(`^Your order (H\d+)$`)

// carts: a cart that became a confirmed order has been emptied of it; one that did not has what its buyer last put there.
func (c *check) carts() {
	for id, note := range c.witness.carts {
		cart := c.Carts[id]
		switch {
		case note.Ordered && len(cart.Items) > 0:
			c.broken("", "cart %s was ordered, and holds %v", id, cart.Items)
		case !note.Ordered && note.Owner == nil && !sameItems(sortItems(cart.Items), sortItems(note.Items)):
			c.broken("", "cart %s was not ordered: its buyer left %v in it, and it holds %v", id, note.Items, cart.Items)
		}
	}
}

func sortItems(items []api.Item) []api.Item {
	return slices.SortedFunc(slices.Values(items), func(a, b api.Item) int { return strings.Compare(a.SKU, b.SKU) })
}

// listings: a customer lists their own orders, all of them and no others.
func (c *check) listings() {
	own, byEmail := map[*person]map[string]bool{}, c.byEmail()
	for _, p := range c.witness.placements {
		if p.Customer == nil {
			continue
		}
		for _, id := range byEmail[p.Email] {
			if own[p.Customer] == nil {
				own[p.Customer] = map[string]bool{}
			}
			own[p.Customer][id] = true
		}
	}
	for p, listed := range c.Own {
		for _, id := range listed {
			if !own[p][id] {
				c.broken(id, "%s lists it, and has not placed it", p.name)
			}
			delete(own[p], id)
		}
		for id := range own[p] {
			c.broken(id, "%s has placed it, and does not list it", p.name)
		}
	}
}

// sums: money adds up, in one currency, down to each line.
func (c *check) sums() {
	for id, o := range c.Orders {
		var lines, discounts, taxes int64
		for _, l := range o.Lines {
			lines, discounts, taxes = lines+l.Total.Amount, discounts+l.Discount.Amount, taxes+l.Tax.Amount
			if l.Total.Amount != l.Quantity*l.UnitPrice.Amount {
				c.broken(id, "%d of %s at %d are told to cost %d", l.Quantity, l.SKU, l.UnitPrice.Amount, l.Total.Amount)
			}
			if l.Total.Currency != o.Total.Currency {
				c.broken(id, "a line is in %s, the total in %s", l.Total.Currency, o.Total.Currency)
			}
		}
		compare := func(what string, got, want int64) {
			if got != want {
				c.broken(id, "%s is %d and should be %d", what, got, want)
			}
		}
		compare("the subtotal", o.Subtotal.Amount, lines)
		compare("the discount", o.Discount.Amount, discounts)
		compare("the total", o.Total.Amount, o.Subtotal.Amount-o.Discount.Amount+o.Shipping.Amount+o.Tax.Amount)
		if taxes > o.Tax.Amount {
			c.broken(id, "the lines' taxes are %d of %d", taxes, o.Tax.Amount)
		}
		c.shares(o)
	}
}

// shares: a parcel is worth its share of its lines, to a minor unit for each line and parcel, and the first one the
// shipping too.
func (c *check) shares(o OrderBook) {
	worth, quantity := map[string]int64{}, map[string]int64{}
	freight := o.Total.Amount
	for _, l := range o.Lines {
		w := l.Total.Amount - l.Discount.Amount + l.Tax.Amount
		worth[l.SKU], quantity[l.SKU] = worth[l.SKU]+w, quantity[l.SKU]+l.Quantity
		freight -= w
	}
	var got, want float64
	slack := 0.0
	for _, f := range o.sent() {
		got += float64(f.Amount.Amount)
		for _, i := range f.Lines {
			want += float64(worth[i.SKU]) * float64(i.Quantity) / float64(quantity[i.SKU])
			slack++
		}
	}
	if slack > 0 {
		want += float64(freight)
	}
	if diff := got - want; diff > slack || diff < -slack {
		c.broken(o.ID, "its parcels are worth %.0f, their shares come to %.2f", got, want)
	}
}
