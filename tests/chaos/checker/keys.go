package checker

import (
	"encoding/json"
	"net/http"
	"slices"

	"haberdash/tests/api"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/view"
)

// checkKeys checks that each idempotency key made at most one order and got one answer.
func (c *check) checkKeys() {
	ids := c.IDsByEmail()
	keys := map[string]string{} // by order
	placed := map[string]bool{} // by e-mail address
	for key, p := range c.record.Placements {
		placed[p.Email] = true
		if made := ids[p.Email]; len(made) > 1 {
			c.violated(made[0], "key %s made %d orders: %v", key, len(made), made)
		}
		first := p.Answers[0]
		for _, a := range p.Answers[1:] {
			if a.Status != first.Status || string(a.Body) != string(first.Body) {
				c.violated(p.Order.ID, "key %s got the answer %d %.500s\n    and the answer %d %.500s",
					key, first.Status, first.Body, a.Status, a.Body)
			}
		}
		if other := keys[p.Order.ID]; p.Order.ID != "" && other != "" {
			c.violated(p.Order.ID, "keys %s and %s made the same order", key, other)
		}
		keys[p.Order.ID] = key
	}
	for id, o := range c.Orders {
		if !placed[o.Email] {
			c.violated(id, "no buyer has placed it (%s)", o.Email)
		}
	}
}

// checkAcknowledged checks that the orders are in the state that buyers and staff got as an answer.
func (c *check) checkAcknowledged() {
	ids := c.IDsByEmail()
	for key, p := range c.record.Placements {
		switch p.Status() {
		case http.StatusCreated:
			c.checkConfirmed(key, p)
		case http.StatusPaymentRequired, http.StatusConflict:
			for _, id := range ids[p.Email] {
				if o := c.Orders[id]; o.Status != "rejected" {
					c.violated(id, "key %s was refused with %d, but the order is %s", key, p.Status(), o.Status)
				}
			}
		}
	}
	for _, a := range c.record.Actions {
		if a.Status < 300 {
			c.checkAction(a)
		}
	}
}

// checkConfirmed compares an order with the answer that its buyer got.
func (c *check) checkConfirmed(key string, p *record.Placement) {
	got := p.Order
	o, exists := c.Orders[got.ID]
	switch {
	case !exists:
		c.violated(got.ID, "key %s was answered with the order %s, which does not exist", key, got.Number)
		return
	case got.Status != "confirmed":
		c.violated(got.ID, "key %s was answered 201 with an order that is %s", key, got.Status)
	case o.Number != got.Number, o.Email != got.Email, o.Total != got.Total, !slices.Equal(o.Items(), got.Items()):
		now, _ := json.Marshal(o.Order)
		c.violated(got.ID, "key %s was answered with %.500s\n    and now the order is %.500s", key, p.Answers[0].Body, now)
	case o.Status == "placing", o.Status == "rejected":
		c.violated(got.ID, "key %s was answered with a confirmed order, which now is %s", key, o.Status)
	}
	if (got.AccessToken == "") != (p.Customer != "") {
		c.violated(got.ID, "key %s: a guest must get an access token, a customer must not", key)
	}
}

// checkAction checks that the effect of an acknowledged action is visible in the order.
func (c *check) checkAction(a record.Action) {
	o := c.Orders[a.Order]
	parcel := slices.IndexFunc(o.Fulfilments, func(f view.Fulfilment) bool { return f.ID == a.Part })
	ret := slices.IndexFunc(o.Returns, func(r view.Return) bool { return r.ID == a.Part })
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
		c.violated(a.Order, "the acknowledged action %s (%+v) has no effect", a.Kind, a)
	}
}

func sameItems(a, b []api.Item) bool { return slices.Equal(view.SumItems(a), view.SumItems(b)) }
