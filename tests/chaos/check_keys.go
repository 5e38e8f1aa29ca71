package chaos

import (
	"encoding/json"
	"net/http"
	"slices"

	"haberdash/tests/api"
)

// keys: one idempotency key, one order and one answer.
func (c *check) keys() {
	byEmail := c.byEmail()
	seen := map[string]string{} // order → key
	known := map[string]bool{}
	for key, p := range c.witness.placements {
		known[p.Email] = true
		if ids := byEmail[p.Email]; len(ids) > 1 {
			c.broken(ids[0], "key %s made %d orders: %v", key, len(ids), ids)
		}
		first := p.Answers[0]
		for _, a := range p.Answers[1:] {
			if a.Status != first.Status || string(a.Body) != string(first.Body) {
				c.broken(p.Order.ID, "key %s was answered with %d %.500s\n    and with %d %.500s", key, first.Status, first.Body, a.Status, a.Body)
			}
		}
		if other := seen[p.Order.ID]; p.Order.ID != "" && other != "" {
			c.broken(p.Order.ID, "keys %s and %s made the same order", key, other)
		}
		seen[p.Order.ID] = key
	}
	for id, o := range c.Orders {
		if !known[o.Email] {
			c.broken(id, "nobody has placed it (%s)", o.Email)
		}
	}
}

// acknowledged: what a buyer or the staff was told happened is there.
func (c *check) acknowledged() {
	byEmail := c.byEmail()
	for key, p := range c.witness.placements {
		switch p.Status() {
		case http.StatusCreated:
			c.stillThere(key, p)
		case http.StatusPaymentRequired, http.StatusConflict:
			for _, id := range byEmail[p.Email] {
				if o := c.Orders[id]; o.Status != "rejected" {
					c.broken(id, "key %s was refused with %d, and the order is %s", key, p.Status(), o.Status)
				}
			}
		}
	}
	for _, a := range c.witness.acts {
		if a.Status < 300 {
			c.actDone(a)
		}
	}
}

// stillThere holds an order against the answer that its buyer got.
func (c *check) stillThere(key string, p *Placement) {
	told := p.Order
	o, there := c.Orders[told.ID]
	switch {
	case !there:
		c.broken(told.ID, "key %s was answered with this order, %s, and there is none", key, told.Number)
		return
	case told.Status != "confirmed":
		c.broken(told.ID, "key %s was answered 201 with an order that is %s", key, told.Status)
	case o.Number != told.Number, o.Email != told.Email, o.Total != told.Total, !slices.Equal(o.items(), told.items()):
		now, _ := json.Marshal(o.Order)
		c.broken(told.ID, "key %s was answered with %.500s\n    and now it is %.500s", key, p.Answers[0].Body, now)
	case o.Status == "placing", o.Status == "rejected":
		c.broken(told.ID, "key %s was answered that it is confirmed, and it is %s", key, o.Status)
	}
	if (told.AccessToken == "") != (p.Customer != nil) {
		c.broken(told.ID, "key %s: a guest gets an access token, a customer none", key)
	}
}

// actDone looks for what was acknowledged in the order as it is.
func (c *check) actDone(a Act) {
	o := c.Orders[a.Order]
	parcel := slices.IndexFunc(o.Fulfilments, func(f Fulfilment) bool { return f.ID == a.Part })
	ret := slices.IndexFunc(o.Returns, func(r Return) bool { return r.ID == a.Part })
	done := false
	switch a.Kind {
	case "cancel":
		done = o.Status == "cancelled"
	case "fulfil":
		done = parcel >= 0 && o.Fulfilments[parcel].Status != "pending" && sameItems(o.Fulfilments[parcel].Lines, a.Lines)
	case "deliver":
		done = parcel >= 0 && o.Fulfilments[parcel].Status == "delivered"
	case "return":
		done = ret >= 0 && sameItems(o.Returns[ret].Lines, a.Lines)
	case "receive":
		done = ret >= 0 && o.Returns[ret].Status == "received" && o.Returns[ret].Refunded != nil
	case "refund":
		n := 0
		for _, e := range o.Events {
			if e.Type == "refund.requested" && e.Data.Refund.Amount == a.Amount {
				n++
			}
		}
		done = n == 1
	}
	if !done {
		c.broken(a.Order, "%s was acknowledged (%+v), and it is not so", a.Kind, a)
	}
}

func sameItems(a, b []api.Item) bool { return slices.Equal(sumItems(a), sumItems(b)) }
