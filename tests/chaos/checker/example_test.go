package checker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"haberdash/internal/contract"
	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/record"
	"haberdash/tests/chaos/snapshot"
	"haberdash/tests/chaos/view"
	"haberdash/tests/psp"
)

func eur(n int64) api.Money { return api.Money{Amount: n, Currency: "EUR"} }

func hats(n int64) []api.Item { return []api.Item{{SKU: "HAT", Quantity: n}} }

// example returns the snapshot of a small shop without violations, and the record that belongs to it. Order A is
// shipped in two parcels, and partly returned and refunded. Order B is cancelled by the customer who placed it. Order C
// is rejected because its payment was declined. One hat is removed by an adjustment.
func example() (*snapshot.Snapshot, *record.Record) {
	s := &snapshot.Snapshot{
		Orders: exampleOrders(), Stock: exampleStock(),
		Carts:   map[string]view.Cart{"cart-C": {Items: hats(1)}},
		Listed:  map[string][]string{"owner": {"B"}},
		Cursors: map[string][]contract.Cursor{},
		Audits:  []contract.Audit{{Log: "orders"}},
		Ledger: psp.Ledger{Intents: []psp.Account{
			{ID: "pi_A", Order: "A", Captured: 3770, Refunded: 1171, Movements: movements("authorized 3770",
				"captured 2699", "captured 1071", "refunded 1071", "refunded 100")},
			{ID: "pi_B", Order: "B", Movements: movements("authorized 3770", "released 3770")},
			{ID: "pi_C", Order: "C", Movements: movements("declined 3770")},
		}},
		Mails: []snapshot.Mail{
			{File: "1.eml", To: "A@example.test", Subject: "Your order H1"},
			{File: "2.eml", To: "B@example.test", Subject: "Your order H2"},
			{File: "3.eml", To: "A@example.test", Subject: "Hello"},
		},
	}
	publish(s)
	for _, app := range []string{"cart", "catalog"} {
		n := s.Feeds[0].Head
		s.Cursors[app] = []contract.Cursor{{Source: "orders", Partition: "orders", Position: n, Applied: n}}
	}
	return s, exampleRecord(s)
}

func exampleOrders() map[string]snapshot.Order {
	a := exampleOrder("A", "H1", "delivered", 3)
	a.Payment = view.Payment{
		Status: "partially-refunded", Authorized: eur(0), Captured: eur(3770), Refunded: eur(1171),
	}
	a.Fulfilments = []view.Fulfilment{
		{ID: "f1", Lines: hats(2), Status: "delivered", Amount: eur(2699)},
		{ID: "f2", Lines: hats(1), Status: "delivered", Amount: eur(1071)},
	}
	refunded := eur(1071)
	a.Returns = []view.Return{{ID: "r1", Lines: hats(1), Status: "received", Refunded: &refunded}}
	return map[string]snapshot.Order{
		"A": {Order: a, Events: events("order.placed", "payment.authorized", "order.confirmed",
			"fulfilment.requested f1", "payment.captured f1 2699", "fulfilment.shipped f1",
			"fulfilment.requested f2", "payment.captured f2 1071", "fulfilment.shipped f2",
			"fulfilment.delivered f1", "fulfilment.delivered f2",
			"return.requested r1", "return.received r1", "payment.refunded r1 1071", "return.settled r1",
			"refund.requested m1 100", "payment.refunded m1 100", "refund.settled m1")},
		"B": {Order: exampleOrder("B", "H2", "cancelled", 2), Events: events("order.placed", "payment.authorized",
			"order.confirmed", "order.cancelled", "payment.voided")},
		"C": {Order: exampleOrder("C", "H3", "rejected", 1), Events: events("order.placed", "order.rejected")},
	}
}

// exampleOrder returns an order of 37.70, whatever its quantity: 32.13 for the hats, and the rest for shipping.
func exampleOrder(id, number, status string, quantity int64) view.Order {
	line := view.Line{
		SKU: "HAT", Quantity: quantity, UnitPrice: eur(3000 / quantity),
		Total: eur(3000), Discount: eur(300), Tax: eur(513),
	}
	return view.Order{
		ID: id, Number: number, Status: status, Email: id + "@example.test", Lines: []view.Line{line},
		Subtotal: eur(3000), Discount: eur(300), Shipping: eur(500), Tax: eur(570), Total: eur(3770),
		Payment: view.Payment{Authorized: eur(0), Captured: eur(0), Refunded: eur(0)},
	}
}

// events returns a history. An event is written as "type", "type id" or "type id amount".
func events(texts ...string) (list []view.Event) {
	for i, text := range texts {
		var eventType, id string
		var amount int64
		_, _ = fmt.Sscan(text, &eventType, &id, &amount) // id and amount may be missing
		e := view.Event{Seq: int64(i) + 1, Type: eventType}
		switch eventType {
		case "payment.authorized", "payment.voided":
			e.Data.Amount, _ = json.Marshal(eur(3770))
		case "payment.captured", "payment.refunded":
			e.Data.For = id
			e.Data.Amount, _ = json.Marshal(eur(amount))
		case "refund.requested":
			e.Data.Refund.ID, e.Data.Refund.Amount = id, amount
		default:
			e.Data.ID, e.Data.Restock = id, eventType == "return.received"
		}
		list = append(list, e)
	}
	return list
}

func exampleStock() map[string]snapshot.Stock {
	return map[string]snapshot.Stock{"HAT": {
		Levels: []view.Level{{Location: "main", OnHand: 7}, {Location: "north"}},
		Events: []view.StockEvent{
			stockEvent(1, "received", 10, "", "import"),
			stockEvent(2, "reserved", 3, "A", ""),
			stockEvent(3, "reserved", 2, "B", ""),
			stockEvent(4, "released", 2, "B", ""),
			stockEvent(5, "reserved", 1, "C", ""),
			stockEvent(6, "released", 1, "C", ""),
			stockEvent(7, "shipped", 2, "A", "f1"),
			stockEvent(8, "shipped", 1, "A", "f2"),
			stockEvent(9, "returned", 1, "A", "r1"),
			stockEvent(10, "adjusted", -1, "", "count"),
		},
	}}
}

// stockEvent returns an event of the stock at main. cause is the id of the parcel or return; of an event without an
// order it is the reason.
func stockEvent(seq int64, kind string, quantity int64, order, cause string) view.StockEvent {
	e := view.StockEvent{Seq: seq, Type: "stock." + kind, Location: "main"}
	e.Data.Quantity, e.Data.Order = quantity, order
	if order == "" {
		e.Data.Reason = cause
	} else {
		e.Data.ID = cause
	}
	return e
}

// movements returns movements of money. A movement is written as "kind amount".
func movements(texts ...string) (list []psp.Movement) {
	for _, text := range texts {
		var m psp.Movement
		_, _ = fmt.Sscan(text, &m.Kind, &m.Amount)
		list = append(list, m)
	}
	return list
}

// publish fills the feeds with the events of the histories.
func publish(s *snapshot.Snapshot) {
	s.Feeds = snapshot.EmptyFeeds()
	add := func(f *snapshot.Feed, aggregate string, seq int64, eventType string, data any) {
		f.Head++
		text, _ := json.Marshal(data)
		f.Events = append(f.Events, contract.Event{
			ID: contract.EventID(f.Source, f.Partition, f.Head, 0), Source: f.Source, Partition: f.Partition,
			Commit: f.Head, Position: f.Head, Aggregate: aggregate, Seq: uint64(seq), Type: eventType, Data: text,
		})
	}
	for _, id := range []string{"A", "B", "C"} {
		o := s.Orders[id]
		for _, e := range o.Events {
			if e.Type[:7] != "payment" {
				add(&s.Feeds[0], "order/"+id, e.Seq, e.Type, dataOf(o, e))
			}
		}
	}
	for _, e := range s.Stock["HAT"].Events {
		add(&s.Feeds[1], "sku/HAT", e.Seq, e.Type, e.Data)
	}
}

// dataOf returns the data of an event of an order in the feed.
func dataOf(o snapshot.Order, e view.Event) any {
	order := asOrder(o)
	parts := func(lines []contract.Line, amount int64) (parts []contract.Part) {
		for _, l := range lines {
			parts = append(parts, contract.Part{SKU: l.SKU, Quantity: l.Quantity, Amount: amount})
		}
		return parts
	}
	switch e.Type {
	case contract.OrderPlaced, contract.OrderConfirmed:
		f := contract.OrderFact{OrderID: o.ID, Number: o.Number, CartID: "cart-" + o.ID, CartVersion: 1,
			Subtotal: order.Subtotal, Discount: order.Discount, Shipping: order.Shipping, Tax: order.Tax, Total: order.Total}
		for _, l := range order.Lines {
			f.Lines = append(f.Lines, contract.OrderLine{SKU: l.SKU, Quantity: l.Quantity, UnitPrice: l.UnitPrice,
				Total: l.Total, Discount: l.Discount, Tax: l.Tax})
		}
		return f
	case contract.FulfilmentRequested:
		for _, p := range order.Parcels {
			if p.ID == e.Data.ID {
				return contract.FulfilmentFact{OrderID: o.ID,
					Fulfilment: contract.FulfilmentPart{ID: p.ID, Parts: parts(p.Lines, p.Amount)}}
			}
		}
	case contract.ReturnRequested:
		for _, r := range order.Returns {
			return contract.ReturnFact{OrderID: o.ID, Return: contract.ReturnPart{ID: r.ID, Parts: parts(r.Lines, r.Amount)}}
		}
	case contract.ReturnReceived:
		return contract.ReceiptFact{OrderID: o.ID, ID: e.Data.ID, Restock: true, Owed: order.Returns[0].Amount}
	case contract.RefundRequested:
		return contract.RefundFact{OrderID: o.ID,
			Refund: contract.RefundPart{ID: e.Data.Refund.ID, Amount: e.Data.Refund.Amount}}
	}
	return contract.PartFact{OrderID: o.ID, ID: e.Data.ID}
}

func exampleRecord(s *snapshot.Snapshot) *record.Record {
	r := record.New()
	r.Imported["HAT"] = 10
	r.Adjustments = []record.Adjustment{
		{Adjustment: plan.Adjustment{Key: "k1", SKU: "HAT", Reason: "count", Delta: -1}, Status: http.StatusOK},
		{Adjustment: plan.Adjustment{Key: "k2", SKU: "HAT", Reason: "too much", Delta: -99}, Status: http.StatusConflict},
	}
	addPlacement(r, s, "A", http.StatusCreated, "")
	addPlacement(r, s, "B", http.StatusCreated, "owner")
	addPlacement(r, s, "C", http.StatusPaymentRequired, "")
	r.Actions = []record.Action{
		{Kind: "fulfil", Order: "A", Part: "f1", Lines: hats(2), Status: 201},
		{Kind: "fulfil", Order: "A", Part: "f2", Lines: hats(1), Status: 201},
		{Kind: "deliver", Order: "A", Part: "f1", Status: 200},
		{Kind: "return", Order: "A", Part: "r1", Lines: hats(1), Status: 201},
		{Kind: "receive", Order: "A", Part: "r1", Restock: true, Status: 200},
		{Kind: "refund", Order: "A", Amount: 100, Status: 201},
		{Kind: "refund", Order: "A", Amount: 99999, Status: 409},
		{Kind: "cancel", Order: "B", Status: 200},
		{Kind: "cancel", Order: "A", Status: 409},
	}
	return r
}

// addPlacement records that a placement got the same answer twice, and the cart that was ordered. customer is empty for
// a guest.
func addPlacement(r *record.Record, s *snapshot.Snapshot, id string, status int, customer string) {
	p := &record.Placement{Key: "key-" + id, Email: id + "@example.test", Cart: "cart-" + id, Customer: customer}
	answer := &api.Answer{Status: status, Body: []byte("{}")}
	if status == http.StatusCreated {
		p.Order = s.Orders[id].Order
		p.Order.Lines = slices.Clone(p.Order.Lines)
		p.Order.Status = "confirmed"
		if customer == "" {
			p.Order.AccessToken = "token"
		}
	}
	p.Answers = []*api.Answer{answer, answer}
	r.Placements[p.Key] = p
	r.Carts[p.Cart] = record.Cart{Owner: customer, Items: hats(1), Ordered: status == http.StatusCreated}
}
