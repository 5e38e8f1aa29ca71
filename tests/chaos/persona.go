package chaos

import (
	"fmt"
	"math/rand/v2"

	"haberdash/tests/api"
)

// Buyer is somebody who buys, once or several times.
type Buyer struct {
	Name      string
	Customer  bool // else a guest
	Purchases []Purchase
}

// Purchase is a cart that is ordered, and what becomes of the order.
type Purchase struct {
	Key, Email string
	Items      []api.Item
	Coupon     string
	Token      string
	Country    string
	Copies     int  // of the request, at the same moment
	HangsUp    bool // on the first answer
	Again      bool // asks once more when all is over
	Fate       Fate
}

// Fate is what becomes of a confirmed order. Parts are shares of what there is, as the order has it then.
type Fate struct {
	Cancel  bool
	Race    bool // it is cancelled and fulfilled at the same moment
	Parcels int  // 0: nothing is sent
	Rest    bool // the last parcel stays
	Deliver bool
	Return  bool
	Part    bool // not all of it is returned
	Restock bool
	Refund  int // percent of what was captured; more than 100 is refused
}

var tokens = []string{
	api.Visa, api.Visa, api.Visa, api.Visa, api.Visa, api.Visa, api.Declined, api.InsufficientFunds, api.Slow,
	api.Timeout, api.Error,
}

func drawBuyer(r *rand.Rand, name string, goods []Good) Buyer {
	b := Buyer{Name: name, Customer: chance(r, 20)}
	purchases := 1
	if b.Customer {
		purchases += r.IntN(3)
	}
	for i := range purchases {
		p := Purchase{
			Key: fmt.Sprintf("%s-key-%d", name, i), Email: fmt.Sprintf("%s-%d@example.test", name, i),
			Items: lines(r, goods), Token: pick(r, tokens...), Country: pick(r, "DE", "FR", "US", "CH"),
			Coupon: pick(r, "", "", "", "WELCOME10", "FREESHIP"), Copies: pick(r, 1, 1, 1, 2, 5),
			HangsUp: chance(r, 15), Again: chance(r, 50), Fate: drawFate(r),
		}
		if chance(r, 4) {
			p.Items[0].Quantity = 999 // more than there ever is
		}
		b.Purchases = append(b.Purchases, p)
	}
	return b
}

func drawFate(r *rand.Rand) Fate {
	f := Fate{Part: chance(r, 50), Restock: chance(r, 60)}
	switch n := r.IntN(100); {
	case n < 15:
	case n < 30:
		f.Cancel = true
	case n < 40:
		f.Race, f.Parcels = true, 1
	default:
		f.Parcels, f.Rest, f.Deliver = 1+r.IntN(3), chance(r, 25), chance(r, 75)
		f.Return = chance(r, 60)
		if chance(r, 30) {
			f.Refund = pick(r, 1, 33, 100, 101)
		}
	}
	return f
}

// requests is about how many requests the buyer makes if all goes well.
func (b Buyer) requests() (n int) {
	if b.Customer {
		n += 2
	}
	for _, p := range b.Purchases {
		n += 2 + 2*len(p.Items) + p.Copies // a cart is looked at after each change
		if p.Coupon != "" {
			n += 2
		}
		if p.Again {
			n++
		}
		f := p.Fate
		if p.Token == api.Declined || p.Token == api.InsufficientFunds {
			continue
		}
		n += f.Parcels
		if f.Cancel || f.Race {
			n++
		}
		if f.Deliver {
			n += f.Parcels
		}
		if f.Return {
			n += 2
		}
		if f.Refund > 0 {
			n++
		}
	}
	return n
}
