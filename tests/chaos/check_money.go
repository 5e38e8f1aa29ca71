package chaos

import (
	"net/http"

	"haberdash/tests/psp"
)

// account sums what the provider has of one order.
type account struct {
	reserved, captured, refunded  int64
	authorised, captures, refunds int // movements
	authorisedAmount              int64
}

func (b *Books) accounts() map[string]account {
	sums := map[string]account{}
	for _, i := range b.Ledger.Intents {
		a := sums[i.Order]
		a.reserved, a.captured, a.refunded = a.reserved+i.Reserved, a.captured+i.Captured, a.refunded+i.Refunded
		for _, m := range i.Movements {
			a.add(m)
		}
		sums[i.Order] = a
	}
	return sums
}

func (a *account) add(m psp.Movement) {
	switch m.Kind {
	case "authorized":
		a.authorised++
		a.authorisedAmount = m.Amount
	case "captured":
		a.captures++
	case "refunded":
		a.refunds++
	}
}

// money: the provider and the order agree on every amount; an order is authorised at most once, for its total; captured
// is what was sent, refunded what was given back; nothing stays reserved of an order that is over.
func (c *check) money() {
	accounts := c.accounts()
	for id, o := range c.Orders {
		a, p := accounts[id], o.Payment
		delete(accounts, id)
		compare := func(what string, order, provider int64) {
			if order != provider {
				c.broken(id, "is %s: it has %d %s, the provider %d", o.Status, order, what, provider)
			}
		}
		compare("authorised", p.Authorized.Amount, a.reserved)
		compare("captured", p.Captured.Amount, a.captured)
		compare("refunded", p.Refunded.Amount, a.refunded)
		if a.authorised > 1 || a.authorised == 1 && a.authorisedAmount != o.Total.Amount {
			c.broken(id, "was authorised %d times, last for %d of a total of %d", a.authorised, a.authorisedAmount, o.Total.Amount)
		}
		c.worth(o, a)
	}
	for id, a := range accounts {
		if a.reserved != 0 || a.captured != a.refunded {
			c.broken(id, "the provider has %d reserved, %d captured and %d refunded of an order that the shop does not know", a.reserved, a.captured, a.refunded)
		}
	}
}

// worth holds an order's sums against its parcels, returns and refunds.
func (c *check) worth(o OrderBook, a account) {
	var sent, back int64
	captures := 0
	for _, f := range o.sent() {
		sent += f.Amount.Amount
		if f.Amount.Amount > 0 {
			captures++
		}
	}
	for _, r := range o.Returns {
		if r.Refunded != nil {
			back += r.Refunded.Amount
		}
	}
	moved := map[string]int64{} // by what it was for
	for _, e := range o.Events {
		switch e.Type {
		case "payment.captured", "payment.refunded":
			if _, twice := moved[e.Type+e.Data.For]; twice {
				c.broken(o.ID, "%s twice for %s", e.Type, e.Data.For)
			}
			moved[e.Type+e.Data.For] = e.money()
		case "refund.settled":
			back += moved["payment.refunded"+e.Data.ID]
		}
	}
	p := o.Payment
	if p.Captured.Amount != sent {
		c.broken(o.ID, "%d are captured for parcels that are worth %d", p.Captured.Amount, sent)
	}
	if a.captures != captures {
		c.broken(o.ID, "the provider has captured %d times for %d parcels", a.captures, captures)
	}
	if p.Refunded.Amount != back {
		c.broken(o.ID, "%d are refunded, %d were to be", p.Refunded.Amount, back)
	}
	if p.Refunded.Amount > p.Captured.Amount {
		c.broken(o.ID, "%d are refunded of %d captured", p.Refunded.Amount, p.Captured.Amount)
	}
	if over := o.over(); over && p.Authorized.Amount != 0 {
		c.broken(o.ID, "is over (%s), and %d are still authorised", o.Status, p.Authorized.Amount)
	} else if !over && o.Status != "placing" && p.Authorized.Amount+p.Captured.Amount != o.Total.Amount {
		c.broken(o.ID, "is %s: %d authorised and %d captured are not its total of %d", o.Status, p.Authorized.Amount, p.Captured.Amount, o.Total.Amount)
	}
	if o.wholly() && p.Captured.Amount != o.Total.Amount {
		c.broken(o.ID, "everything is sent, and %d of %d are captured", p.Captured.Amount, o.Total.Amount)
	}
}

// wholly tells whether everything was sent.
func (o Order) wholly() bool {
	left := int64(0)
	for _, n := range o.unsent() {
		left += n
	}
	return left == 0 && o.Status != "rejected" && o.Status != "cancelled"
}

// over tells whether nothing more is to be charged.
func (o Order) over() bool { return o.Status == "rejected" || o.Status == "cancelled" || o.wholly() }

// refusedMoney: who was told 402 or 409 has paid nothing and owes nothing.
func (c *check) refusedMoney() {
	byEmail := c.byEmail()
	accounts := c.accounts()
	for _, p := range c.witness.placements {
		if p.Status() != http.StatusPaymentRequired && p.Status() != http.StatusConflict {
			continue
		}
		for _, id := range byEmail[p.Email] {
			if a := accounts[id]; a.reserved != 0 || a.captured != 0 {
				c.broken(id, "was refused with %d, and the provider has %d reserved and %d captured", p.Status(), a.reserved, a.captured)
			}
		}
	}
}

// byEmail finds orders by the address that is unique to their key.
func (b *Books) byEmail() map[string][]string {
	ids := map[string][]string{}
	for id, o := range b.Orders {
		ids[o.Email] = append(ids[o.Email], id)
	}
	return ids
}
