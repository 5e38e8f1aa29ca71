package checker

import (
	"regexp"
	"slices"
	"strings"

	"haberdash/tests/api"
)

// confirmation is the subject of the mail that confirms an order.
var confirmation = regexp.MustCompile(`^Your order (H\d+)$`)

// checkMails checks that the buyer of each confirmed order got one confirmation, and that nobody got another one. A
// mail that was sent again is the same file.
func (c *check) checkMails() {
	files := map[string][]string{} // by receiver and order number
	for _, m := range c.Mails {
		if number := confirmation.FindStringSubmatch(m.Subject); number != nil {
			files[m.To+" "+number[1]] = append(files[m.To+" "+number[1]], m.File)
		}
	}
	for id, o := range c.Orders {
		want := 0
		if o.Has("order.confirmed") {
			want = 1
		}
		key := o.Email + " " + o.Number
		if got := files[key]; len(got) != want {
			c.violated(id, "%s has %d confirmations of %s instead of %d: %v", o.Email, len(got), o.Number, want, got)
		}
		delete(files, key)
	}
	for key, names := range files {
		c.violated("", "confirmation of an order that does not exist: %s %v", key, names)
	}
}

// checkCarts checks that a cart is empty after it became a confirmed order, and that a guest's cart that did not become
// one has the items that the guest put there.
func (c *check) checkCarts() {
	for id, left := range c.record.Carts {
		cart := c.Carts[id]
		switch {
		case left.Ordered && len(cart.Items) > 0:
			c.violated("", "cart %s was ordered, but still has %v", id, cart.Items)
		case !left.Ordered && left.Owner == "" && !sameItems(sortItems(cart.Items), sortItems(left.Items)):
			c.violated("", "cart %s was not ordered and should have %v, but has %v", id, left.Items, cart.Items)
		}
	}
}

func sortItems(items []api.Item) []api.Item {
	return slices.SortedFunc(slices.Values(items), func(a, b api.Item) int { return strings.Compare(a.SKU, b.SKU) })
}

// checkLists checks that a customer's list of orders has all orders of the customer and no others.
func (c *check) checkLists() {
	own, ids := map[string]map[string]bool{}, c.IDsByEmail() // own: order ids by customer
	for _, p := range c.record.Placements {
		if p.Customer == "" {
			continue
		}
		for _, id := range ids[p.Email] {
			if own[p.Customer] == nil {
				own[p.Customer] = map[string]bool{}
			}
			own[p.Customer][id] = true
		}
	}
	for customer, listed := range c.Listed {
		for _, id := range listed {
			if !own[customer][id] {
				c.violated(id, "is in the list of %s, who has not placed it", customer)
			}
			delete(own[customer], id)
		}
		for id := range own[customer] {
			c.violated(id, "is not in the list of %s, who has placed it", customer)
		}
	}
}
