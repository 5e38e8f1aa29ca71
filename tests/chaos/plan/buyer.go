package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"haberdash/tests/api"
)

// Buyer is a buyer with one or several purchases.
type Buyer struct {
	Name      string
	Customer  bool // has an account; otherwise a guest
	Purchases []Purchase
}

// Purchase is a cart that is ordered, and what happens to the order.
type Purchase struct {
	Key         string // idempotency key
	Email       string // used by no other purchase
	Items       []api.Item
	Coupon      string // empty for none
	Token       string // of the payment
	Country     string // to which the order is shipped
	Copies      int    // of the placement, sent at the same moment
	Disconnects bool   // the buyer disconnects before the first answer
	Repeats     bool   // the buyer sends the placement again at the end
	Lifecycle   Lifecycle
}

// Lifecycle is what happens to an order after it is confirmed.
type Lifecycle struct {
	Cancel          bool
	CancelAndFulfil bool // at the same moment
	Parcels         int  // among which the lines are divided; 0 if nothing is shipped
	KeepLastParcel  bool // the last parcel is not shipped
	Deliver         bool
	Return          bool
	ReturnPart      bool // of the shipped goods; otherwise all of them
	Restock         bool
	RefundPercent   int // of the captured amount; a refund of more than 100 percent is refused
}

var tokens = []string{
	api.Visa, api.Visa, api.Visa, api.Visa, api.Visa, api.Visa, api.Declined, api.InsufficientFunds, api.Slow,
	api.Timeout, api.Error,
}

func drawBuyer(r *rand.Rand, name string, products []Product) Buyer {
	b := Buyer{Name: name, Customer: chance(r, 20)}
	purchases := 1
	if b.Customer {
		purchases += r.IntN(3)
	}
	for i := range purchases {
		p := Purchase{
			Key: fmt.Sprintf("%s-key-%d", name, i), Email: fmt.Sprintf("%s-%d@example.test", name, i),
			Items: drawItems(r, products), Token: pick(r, tokens...), Country: pick(r, "DE", "FR", "US", "CH"),
			Coupon: pick(r, "", "", "", "WELCOME10", "FREESHIP"), Copies: pick(r, 1, 1, 1, 2, 5),
			Disconnects: chance(r, 15), Repeats: chance(r, 50), Lifecycle: drawLifecycle(r),
		}
		if chance(r, 4) {
			p.Items[0].Quantity = 999 // more than the stock ever is
		}
		b.Purchases = append(b.Purchases, p)
	}
	return b
}

func drawLifecycle(r *rand.Rand) Lifecycle {
	l := Lifecycle{ReturnPart: chance(r, 50), Restock: chance(r, 60)}
	switch n := r.IntN(100); {
	case n < 15:
	case n < 30:
		l.Cancel = true
	case n < 40:
		l.CancelAndFulfil, l.Parcels = true, 1
	default:
		l.Parcels, l.KeepLastParcel, l.Deliver = 1+r.IntN(3), chance(r, 25), chance(r, 75)
		l.Return = chance(r, 60)
		if chance(r, 30) {
			l.RefundPercent = pick(r, 1, 33, 100, 101)
		}
	}
	return l
}

// requests estimates how many requests the buyer makes if nothing fails.
func (b Buyer) requests() (n int) {
	if b.Customer {
		n += 2
	}
	for _, p := range b.Purchases {
		n += 2 + 2*len(p.Items) + p.Copies // the buyer reads the cart after each change
		if p.Coupon != "" {
			n += 2
		}
		if p.Repeats {
			n++
		}
		if p.Token == api.Declined || p.Token == api.InsufficientFunds {
			continue
		}
		n += p.Lifecycle.requests()
	}
	return n
}

func (l Lifecycle) requests() int {
	n := l.Parcels
	if l.Cancel || l.CancelAndFulfil {
		n++
	}
	if l.Deliver {
		n += l.Parcels
	}
	if l.Return {
		n += 2
	}
	if l.RefundPercent > 0 {
		n++
	}
	return n
}

// Divide distributes the lines of an order over the parcels. It leaves out parcels without lines.
func (l Lifecycle) Divide(lines []api.Item) (parcels [][]api.Item) {
	left := slices.Clone(lines)
	for n := l.Parcels; n > 0; n-- {
		var parcel []api.Item
		for i := range left {
			quantity := (left[i].Quantity + int64(n) - 1) / int64(n)
			if n == 1 && l.KeepLastParcel {
				quantity = 0
			}
			if quantity > 0 {
				parcel = append(parcel, api.Item{SKU: left[i].SKU, Quantity: quantity})
				left[i].Quantity -= quantity
			}
		}
		if len(parcel) > 0 {
			parcels = append(parcels, parcel)
		}
	}
	return parcels
}
