package checker

import (
	"net/http"

	"haberdash/internal/contract"
	"haberdash/tests/api"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/snapshot"
	"haberdash/tests/chaos/view"
	"haberdash/tests/psp"
)

var stockViolations = map[string]violation{
	"level that is not the sum of the history": stock(1, func(s *snapshot.Stock) { s.Levels[0].OnHand++ }),
	"history with a gap":                       stock(1, func(s *snapshot.Stock) { s.Events[9].Seq++ }),
	"more reserved than on hand": stock(1, func(s *snapshot.Stock) {
		s.Events[1].Data.Quantity, s.Events[3].Data.Quantity = 9, 8
	}),
	"event at a location without a level":  stockHistory(1, 9, func(e *view.StockEvent) { e.Location = "attic" }),
	"stock reserved for a cancelled order": stockHistory(1, 3, func(e *view.StockEvent) { e.Data.Order = "A" }),
	"stock reserved for no order":          stockHistory(1, 2, func(e *view.StockEvent) { e.Data.Order = "X" }),
	"parcel with another quantity":         stockHistory(1, 6, func(e *view.StockEvent) { e.Data.Quantity = 1 }),
	"parcel shipped twice":                 stockHistory(1, 7, func(e *view.StockEvent) { e.Data.ID = "f1" }),
	"return that was not restocked":        stockHistory(1, 8, func(e *view.StockEvent) { e.Data.ID = "r9" }),
}

var adjustmentViolations = map[string]violation{
	"lost adjustment":                stockHistory(6, 9, func(e *view.StockEvent) { e.Data.Reason = "other" }),
	"adjustment of another quantity": stockHistory(6, 9, func(e *view.StockEvent) { e.Data.Quantity = -2 }),
	"adjustment that was refused": answer(6, func(r *record.Record) {
		r.Adjustments[0].Status = http.StatusConflict
	}),
	"import that counted twice": answer(6, func(r *record.Record) { r.Imported["HAT"] = 5 }),
}

var paymentViolations = map[string]violation{
	"more captured at the provider": state(2, func(s *snapshot.Snapshot) { s.Ledger.Intents[0].Captured++ }),
	"more refunded at the provider": state(2, func(s *snapshot.Snapshot) { s.Ledger.Intents[0].Refunded++ }),
	"money reserved for a cancelled order": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents[1].Reserved = 3770
	}),
	"money reserved for a fully shipped order": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents[0].Reserved = 1
		changeOrder(s, "A", func(o *snapshot.Order) { o.Payment.Authorized = eur(1) })
	}),
	"two authorisations": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents = append(s.Ledger.Intents,
			psp.Account{Order: "A", Movements: movements("authorized 3770", "released 3770")})
	}),
	"authorisation of another amount": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents[0].Movements[0].Amount++
	}),
	"additional capture": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents[0].Movements = append(s.Ledger.Intents[0].Movements, movements("captured 1")...)
	}),
	"money of an unknown order": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents = append(s.Ledger.Intents, psp.Account{Order: "X", Reserved: 1})
	}),
	"money of a refused placement": state(2, func(s *snapshot.Snapshot) {
		s.Ledger.Intents[2].Reserved = 3770
		changeOrder(s, "C", func(o *snapshot.Order) { o.Payment.Authorized = eur(3770) })
	}),
	"more captured than shipped":  order(2, "A", func(o *snapshot.Order) { o.Fulfilments[1].Status = "pending" }),
	"refund without a return":     order(2, "A", func(o *snapshot.Order) { o.Returns = nil }),
	"two captures for one parcel": order(2, "A", func(o *snapshot.Order) { o.Events[7].Data.For = "f1" }),
}

var keyViolations = map[string]violation{
	"two orders of one key": state(3, func(s *snapshot.Snapshot) {
		s.Orders["A2"] = snapshot.Order{Order: exampleOrder("A", "H9", "rejected", 1)}
	}),
	"two different answers to one key": answer(3, func(r *record.Record) {
		r.Placements["key-A"].Answers[1] = &api.Answer{Status: 201, Body: []byte("{ }")}
	}),
	"order that nobody placed": answer(3, func(r *record.Record) { delete(r.Placements, "key-C") }),
	"one order of two keys": answer(3, func(r *record.Record) {
		twin := *r.Placements["key-A"]
		twin.Key = "key-A2"
		r.Placements["key-A2"] = &twin
	}),
}

var feedViolations = map[string]violation{
	"consumer behind its feed": state(4, func(s *snapshot.Snapshot) {
		s.Cursors["cart"][0].Position--
		s.Cursors["cart"][0].Applied--
	}),
	"consumer that skipped an event": state(4, func(s *snapshot.Snapshot) { s.Cursors["cart"][0].Applied-- }),
	"consumer with a dead letter":    state(4, func(s *snapshot.Snapshot) { s.Cursors["cart"][0].Parked = 1 }),
	"no consumers": state(4, func(s *snapshot.Snapshot) {
		s.Cursors = map[string][]contract.Cursor{}
	}),
	"feed with a gap": state(4, func(s *snapshot.Snapshot) { s.Feeds[0].Events[3].Position++ }),
	"feed with the same event twice": state(4, func(s *snapshot.Snapshot) {
		s.Feeds[0].Events[3].ID = s.Feeds[0].Events[2].ID
	}),
	"feed without its last events": state(4, func(s *snapshot.Snapshot) {
		s.Feeds[0].Events = s.Feeds[0].Events[:20]
	}),
	"feed with another event type": state(4, func(s *snapshot.Snapshot) {
		s.Feeds[1].Events[3].Type = "stock.received"
	}),
	"feed with an unknown order": state(4, func(s *snapshot.Snapshot) {
		s.Feeds[0].Events[3].Aggregate = "order/X"
	}),
	"document that is wrong": state(5, func(s *snapshot.Snapshot) {
		s.Audits[0].Wrong, s.Audits[0].Differences = 1, []contract.Difference{{Key: "k", Kind: "missing"}}
	}),
	"wrong documents without their keys": state(5, func(s *snapshot.Snapshot) { s.Audits[0].Wrong = 1 }),
	"no audit":                           state(5, func(s *snapshot.Snapshot) { s.Audits = nil }),
}

var effectViolations = map[string]violation{
	"lost mail": state(4, func(s *snapshot.Snapshot) { s.Mails = s.Mails[1:] }),
	"two confirmations of one order": state(4, func(s *snapshot.Snapshot) {
		s.Mails = append(s.Mails, snapshot.Mail{File: "9.eml", To: "A@example.test", Subject: "Your order H1"})
	}),
	"mail to another buyer": state(4, func(s *snapshot.Snapshot) { s.Mails[0].To = "B@example.test" }),
	"confirmation of a rejected order": state(4, func(s *snapshot.Snapshot) {
		s.Mails = append(s.Mails, snapshot.Mail{File: "9.eml", To: "C@example.test", Subject: "Your order H3"})
	}),
	"ordered cart that is not empty": state(4, func(s *snapshot.Snapshot) {
		s.Carts["cart-A"] = view.Cart{Items: hats(1)}
	}),
	"cart that lost its items": state(4, func(s *snapshot.Snapshot) { s.Carts["cart-C"] = view.Cart{} }),
}

var orderViolations = map[string]violation{
	"lost order":                               state(6, func(s *snapshot.Snapshot) { delete(s.Orders, "A") }),
	"order with another number":                order(6, "A", func(o *snapshot.Order) { o.Number = "H7" }),
	"order with other lines":                   order(6, "A", func(o *snapshot.Order) { o.Lines[0].Quantity = 1 }),
	"confirmed order that is rejected":         order(6, "A", func(o *snapshot.Order) { o.Status = "rejected" }),
	"refused placement with a confirmed order": order(6, "C", func(o *snapshot.Order) { o.Status = "confirmed" }),
	"answer 201 without a confirmation": answer(6, func(r *record.Record) {
		r.Placements["key-A"].Order.Status = "placing"
	}),
	"guest without an access token": answer(6, func(r *record.Record) {
		r.Placements["key-A"].Order.AccessToken = ""
	}),
}

var actionViolations = map[string]violation{
	"lost parcel":             answer(6, func(r *record.Record) { r.Actions[0].Part = "f9" }),
	"parcel with other lines": answer(6, func(r *record.Record) { r.Actions[0].Lines = hats(1) }),
	"lost delivery":           order(6, "A", func(o *snapshot.Order) { o.Fulfilments[0].Status = "shipped" }),
	"lost return":             answer(6, func(r *record.Record) { r.Actions[3].Part = "r9" }),
	"lost receipt of a return": order(6, "A", func(o *snapshot.Order) {
		o.Returns[0].Status = "requested"
	}),
	"lost refund":       answer(6, func(r *record.Record) { r.Actions[5].Amount = 55 }),
	"lost cancellation": order(6, "B", func(o *snapshot.Order) { o.Status = "confirmed" }),
}

var listViolations = map[string]violation{
	"list without an order of the customer": state(7, func(s *snapshot.Snapshot) { s.Listed["owner"] = nil }),
	"list with the order of somebody else": state(7, func(s *snapshot.Snapshot) {
		s.Listed["owner"] = []string{"A", "B"}
	}),
}

var sumViolations = map[string]violation{
	"total that is not the sum": order(8, "C", func(o *snapshot.Order) { o.Shipping = eur(501) }),
	"line total that is not the product": order(8, "C", func(o *snapshot.Order) {
		o.Lines[0].UnitPrice = eur(1)
	}),
	"discount that is not the sum of the lines": order(8, "C", func(o *snapshot.Order) {
		o.Lines[0].Discount = eur(299)
	}),
	"line in another currency": order(8, "C", func(o *snapshot.Order) { o.Lines[0].Total.Currency = "USD" }),
	"more tax in the lines than in the order": order(8, "C", func(o *snapshot.Order) {
		o.Lines[0].Tax = eur(571)
	}),
	"parcels of more than their share": order(8, "A", func(o *snapshot.Order) {
		o.Fulfilments[0].Amount, o.Fulfilments[1].Amount = eur(2699), eur(1080)
	}),
}
