package chaos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"haberdash/internal/contract"
	"haberdash/tests/api"
	"haberdash/tests/psp"
)

// The example is a small shop whose books are right: order A is sent in two parcels, partly returned and refunded; B is
// cancelled by the customer who placed it; C was refused because its payment was declined; and one unit was counted out.

func eur(n int64) api.Money { return api.Money{Amount: n, Currency: "EUR"} }

func example() (*Books, *Witness) {
	w := newWitness()
	owner := &person{name: "owner"}
	b := &Books{
		Orders: map[string]OrderBook{}, Carts: map[string]basket{"cart-C": {Items: hats(1)}}, Own: map[*person][]string{owner: {"B"}},
		Cursors: map[string][]contract.Cursor{}, Audits: []contract.Audit{{Log: "orders"}},
	}
	a := exampleOrder("A", "H1", "delivered", 3)
	a.Payment = Payment{Status: "partially-refunded", Authorized: eur(0), Captured: eur(3770), Refunded: eur(1171)}
	a.Fulfilments = []Fulfilment{{"f1", hats(2), "delivered", eur(2699)}, {"f2", hats(1), "delivered", eur(1071)}}
	given := eur(1071)
	a.Returns = []Return{{"r1", hats(1), "received", &given}}
	b.Orders["A"] = OrderBook{a, events("order.placed", "payment.authorized", "order.confirmed",
		"fulfilment.requested", "payment.captured f1 2699", "fulfilment.shipped", "fulfilment.requested", "payment.captured f2 1071", "fulfilment.shipped",
		"fulfilment.delivered", "fulfilment.delivered", "return.requested", "return.received r1", "payment.refunded r1 1071", "return.settled r1",
		"refund.requested m1 100", "payment.refunded m1 100", "refund.settled m1")}
	cancelled := exampleOrder("B", "H2", "cancelled", 2)
	b.Orders["B"] = OrderBook{cancelled, events("order.placed", "payment.authorized", "order.confirmed", "order.cancelled", "payment.voided")}
	b.Orders["C"] = OrderBook{exampleOrder("C", "H3", "rejected", 1), events("order.placed", "order.rejected")}

	b.Stock = map[string]StockBook{"HAT": {Levels: []Level{{"main", 7, 0}, {"north", 0, 0}}, Events: []StockEvent{
		moved(1, "received", 10, "", "import"), moved(2, "reserved", 3, "A", ""), moved(3, "reserved", 2, "B", ""), moved(4, "released", 2, "B", ""),
		moved(5, "reserved", 1, "C", ""), moved(6, "released", 1, "C", ""), moved(7, "shipped", 2, "A", "f1"), moved(8, "shipped", 1, "A", "f2"),
		moved(9, "returned", 1, "A", "r1"), moved(10, "adjusted", -1, "", "count"),
	}}}
	w.goods["HAT"] = 10
	w.movements = []Moved{
		{Movement{Key: "k1", SKU: "HAT", Reason: "count", Delta: -1}, http.StatusOK},
		{Movement{Key: "k2", SKU: "HAT", Reason: "too much", Delta: -99}, http.StatusConflict},
	}
	b.Ledger = psp.Ledger{Intents: []psp.Account{
		{ID: "pi_A", Order: "A", Captured: 3770, Refunded: 1171, Movements: movements("authorized 3770", "captured 2699", "captured 1071", "refunded 1071", "refunded 100")},
		{ID: "pi_B", Order: "B", Movements: movements("authorized 3770", "released 3770")},
		{ID: "pi_C", Order: "C", Movements: movements("declined 3770")},
	}}
	b.Mails = []Mail{{"1.eml", "A@example.test", "Your order H1"}, {"2.eml", "B@example.test", "Your order H2"}, {"3.eml", "A@example.test", "Hello"}}
	publish(b)
	for _, app := range []string{"cart", "catalog"} {
		n := b.Feeds[0].Head
		b.Cursors[app] = []contract.Cursor{{Source: "orders", Partition: "orders", Position: n, Applied: n}}
	}
	tell(w, b, "A", http.StatusCreated, nil)
	tell(w, b, "B", http.StatusCreated, owner)
	tell(w, b, "C", http.StatusPaymentRequired, nil)
	w.acts = []Act{
		{Kind: "fulfil", Order: "A", Part: "f1", Lines: hats(2), Status: 201}, {Kind: "fulfil", Order: "A", Part: "f2", Lines: hats(1), Status: 201},
		{Kind: "deliver", Order: "A", Part: "f1", Status: 200}, {Kind: "return", Order: "A", Part: "r1", Lines: hats(1), Status: 201},
		{Kind: "receive", Order: "A", Part: "r1", Restock: true, Status: 200}, {Kind: "refund", Order: "A", Amount: 100, Status: 201},
		{Kind: "refund", Order: "A", Amount: 99999, Status: 409}, {Kind: "cancel", Order: "B", Status: 200}, {Kind: "cancel", Order: "A", Status: 409},
	}
	return b, w
}

func hats(n int64) []api.Item { return []api.Item{{SKU: "HAT", Quantity: n}} }

// exampleOrder costs 37.70 whatever its quantity: 32.13 for the hats, the rest for shipping.
func exampleOrder(id, number, status string, quantity int64) Order {
	unit := 3000 / quantity
	return Order{ID: id, Number: number, Status: status, Email: id + "@example.test",
		Lines:    []Line{{"HAT", quantity, eur(unit), eur(3000), eur(300), eur(513)}},
		Subtotal: eur(3000), Discount: eur(300), Shipping: eur(500), Tax: eur(570), Total: eur(3770),
		Payment: Payment{Authorized: eur(0), Captured: eur(0), Refunded: eur(0)}}
}

// events are told as "type", "type id" or "type id amount".
func events(texts ...string) (list []Event) {
	for i, text := range texts {
		var kind, id string
		var amount int64
		_, _ = fmt.Sscan(text, &kind, &id, &amount) // the rest may be missing
		e := Event{Seq: int64(i) + 1, Type: kind}
		switch kind {
		case "payment.captured", "payment.refunded":
			e.Data.For = id
			e.Data.Amount, _ = json.Marshal(eur(amount))
		case "refund.requested":
			e.Data.Refund.ID, e.Data.Refund.Amount = id, amount
		default:
			e.Data.ID, e.Data.Restock = id, kind == "return.received"
		}
		list = append(list, e)
	}
	return list
}

// moved is an event of the stock; what is the part's id, or the reason if it is for no order.
func moved(seq int64, kind string, quantity int64, order, what string) StockEvent {
	e := StockEvent{Seq: seq, Type: "stock." + kind, Location: "main"}
	e.Data.Quantity, e.Data.Order = quantity, order
	if order == "" {
		e.Data.Reason = what
	} else {
		e.Data.ID = what
	}
	return e
}

func movements(texts ...string) (list []psp.Movement) {
	for _, text := range texts {
		var m psp.Movement
		_, _ = fmt.Sscan(text, &m.Kind, &m.Amount)
		list = append(list, m)
	}
	return list
}

// publish makes the feeds of the histories.
func publish(b *Books) {
	b.Feeds = logs()
	add := func(f *Feed, aggregate string, seq int64, kind string) {
		f.Head++
		f.Events = append(f.Events, contract.Event{ID: fmt.Sprint(f.Partition, f.Head), Position: f.Head, Aggregate: aggregate, Seq: uint64(seq), Type: kind})
	}
	for _, id := range []string{"A", "B", "C"} {
		for _, e := range b.Orders[id].Events {
			if e.Type[:7] != "payment" {
				add(&b.Feeds[0], "order/"+id, e.Seq, e.Type)
			}
		}
	}
	for _, e := range b.Stock["HAT"].Events {
		add(&b.Feeds[1], "sku/HAT", e.Seq, e.Type)
	}
}

// tell lets the witness remember an answer, given twice, and the cart that it was for.
func tell(w *Witness, b *Books, id string, status int, owner *person) {
	p := &Placement{Key: "key-" + id, Email: id + "@example.test", Cart: "cart-" + id, Customer: owner}
	answer := &api.Answer{Status: status, Body: []byte("{}")}
	if status == http.StatusCreated {
		p.Order = b.Orders[id].Order
		p.Order.Lines = slices.Clone(p.Order.Lines)
		p.Order.Status = "confirmed"
		if owner == nil {
			p.Order.AccessToken = "token"
		}
	}
	p.Answers = []*api.Answer{answer, answer}
	w.placements[p.Key] = p
	w.carts[p.Cart] = CartNote{Owner: owner, Items: hats(1), Ordered: status == http.StatusCreated}
}
