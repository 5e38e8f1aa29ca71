package checker

import (
	"net/http"

	"haberdash/tests/chaos/snapshot"
)

// checkPayments checks that the order and the payment provider agree on every amount, that an order is authorised at
// most once and for its total, and that the provider has no money for an order that does not exist.
func (c *check) checkPayments() {
	accounts := c.Accounts()
	for id, o := range c.Orders {
		a, p := accounts[id], o.Payment
		delete(accounts, id)
		compare := func(name string, order, provider int64) {
			if order != provider {
				c.violated(id, "is %s: the order has %d %s, the provider has %d", o.Status, order, name, provider)
			}
		}
		compare("authorised", p.Authorized.Amount, a.Reserved)
		compare("captured", p.Captured.Amount, a.Captured)
		compare("refunded", p.Refunded.Amount, a.Refunded)
		if a.Authorisations > 1 || a.Authorisations == 1 && a.AuthorisedAmount != o.Total.Amount {
			c.violated(id, "was authorised %d times, the last time for %d; its total is %d",
				a.Authorisations, a.AuthorisedAmount, o.Total.Amount)
		}
		c.checkCaptures(o, a)
		c.checkRefunds(o)
		c.checkAuthorised(o)
	}
	for id, a := range accounts {
		if a.Reserved != 0 || a.Captured != a.Refunded {
			c.violated(id, "does not exist, but the provider has %d reserved, %d captured and %d refunded for it",
				a.Reserved, a.Captured, a.Refunded)
		}
	}
}

// checkCaptures checks that exactly the amounts of the shipped parcels are captured, each of them once.
func (c *check) checkCaptures(o snapshot.Order, a snapshot.Account) {
	shipped, captures := int64(0), 0
	for _, f := range o.Shipped() {
		shipped += f.Amount.Amount
		if f.Amount.Amount > 0 {
			captures++
		}
	}
	if captured := o.Payment.Captured.Amount; captured != shipped {
		c.violated(o.ID, "%d are captured for parcels of %d", captured, shipped)
	}
	if a.Captures != captures {
		c.violated(o.ID, "the provider has captured %d times for %d parcels", a.Captures, captures)
	}
}

// checkRefunds checks that exactly the amounts of returns and of manual refunds are refunded, and that nothing is
// captured or refunded twice for the same parcel, return or refund.
func (c *check) checkRefunds(o snapshot.Order) {
	want := int64(0)
	for _, r := range o.Returns {
		if r.Refunded != nil {
			want += r.Refunded.Amount
		}
	}
	amounts := map[string]int64{} // by type of the event, and parcel, return or refund
	for _, e := range o.Events {
		switch e.Type {
		case "payment.captured", "payment.refunded":
			if _, twice := amounts[e.Type+e.Data.For]; twice {
				c.violated(o.ID, "%s twice for %s", e.Type, e.Data.For)
			}
			amounts[e.Type+e.Data.For] = e.Money()
		case "refund.settled":
			want += amounts["payment.refunded"+e.Data.ID]
		}
	}
	refunded, captured := o.Payment.Refunded.Amount, o.Payment.Captured.Amount
	if refunded != want {
		c.violated(o.ID, "%d are refunded and should be %d", refunded, want)
	}
	if refunded > captured {
		c.violated(o.ID, "%d are refunded, more than the %d that are captured", refunded, captured)
	}
}

// checkAuthorised checks that a closed order has no authorised money, that the authorised and the captured money of an
// open order are its total, and that the total of a fully shipped order is captured.
func (c *check) checkAuthorised(o snapshot.Order) {
	authorised, captured, total := o.Payment.Authorized.Amount, o.Payment.Captured.Amount, o.Total.Amount
	if closed := o.Closed(); closed && authorised != 0 {
		c.violated(o.ID, "is closed (%s), but %d are still authorised", o.Status, authorised)
	} else if !closed && o.Status != "placing" && authorised+captured != total {
		c.violated(o.ID, "is %s: %d authorised and %d captured are not its total of %d",
			o.Status, authorised, captured, total)
	}
	if o.FullyShipped() && captured != total {
		c.violated(o.ID, "is fully shipped, but %d of %d are captured", captured, total)
	}
}

// checkRefusedPayments checks that the provider has no money of a placement that was refused.
func (c *check) checkRefusedPayments() {
	ids, accounts := c.IDsByEmail(), c.Accounts()
	for _, p := range c.record.Placements {
		if p.Status() != http.StatusPaymentRequired && p.Status() != http.StatusConflict {
			continue
		}
		for _, id := range ids[p.Email] {
			if a := accounts[id]; a.Reserved != 0 || a.Captured != 0 {
				c.violated(id, "was refused with %d, but the provider has %d reserved and %d captured",
					p.Status(), a.Reserved, a.Captured)
			}
		}
	}
}
