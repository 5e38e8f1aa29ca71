package invariants_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	"haberdash/internal/contract"
	"haberdash/internal/money"
)

func eur(n int64) money.Money { return money.New(n, "EUR") }

// world is a correct shop: it records the events that the services would publish, and the histories of its orders.
type world struct {
	now       time.Time
	orders    []contract.Event
	stock     map[string][]contract.Event // by location
	histories map[string]*contract.History
	seqs      map[string]uint64 // by location and SKU
	numbers   int
}

func newWorld() *world {
	return &world{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), stock: map[string][]contract.Event{},
		histories: map[string]*contract.History{}, seqs: map[string]uint64{}}
}

func event(source, partition string, position uint64, at time.Time, aggregate string, seq uint64, eventType string,
	data any) contract.Event {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return contract.Event{ID: contract.EventID(source, partition, position, 0), Type: eventType, Source: source,
		Partition: partition, Commit: position, Position: position, Aggregate: aggregate, Seq: seq, At: at, Data: text}
}

func (w *world) history(id string) *contract.History {
	if w.histories[id] == nil {
		w.histories[id] = &contract.History{OrderID: id}
	}
	return w.histories[id]
}

// publish records a published event of an order.
func (w *world) publish(id, eventType string, data any) {
	h := w.history(id)
	seq := uint64(len(h.Events)) + 1
	h.Events = append(h.Events, contract.HistoryEvent{Seq: seq, Type: eventType, Published: true})
	w.now = w.now.Add(time.Second)
	w.orders = append(w.orders,
		event("orders", "orders", uint64(len(w.orders))+1, w.now, "order/"+id, seq, eventType, data))
}

// pay records an event about money, which is not published.
func (w *world) pay(id, eventType, part string, amount int64) {
	h := w.history(id)
	h.Events = append(h.Events,
		contract.HistoryEvent{Seq: uint64(len(h.Events)) + 1, Type: eventType, For: part, Amount: amount})
}

// move records an event of the stock.
func (w *world) move(location, sku, eventType string, m contract.StockMovement) {
	key := location + " " + sku
	w.seqs[key]++
	w.now = w.now.Add(time.Second)
	w.stock[location] = append(w.stock[location], event("catalog", "stock-"+location,
		uint64(len(w.stock[location]))+1, w.now, "sku/"+sku, w.seqs[key], eventType, m))
}

// model is an order of the world: hats at 10.00 each from one location, with shipping costs of 5.00 and no tax.
type model struct {
	w        *world
	id       string
	quantity int64
	left     int64 // not shipped
	returned int64
	parts    int
}

const (
	hat      = "HAT"
	price    = 1000
	shipping = 500
)

func (m *model) fact() contract.OrderFact {
	goods := m.quantity * price
	return contract.OrderFact{OrderID: m.id, Number: "H" + strings.TrimPrefix(m.id, "o"), CartID: "cart-" + m.id,
		CartVersion: 3,
		Lines: []contract.OrderLine{{SKU: hat, Quantity: m.quantity, UnitPrice: eur(price), Total: eur(goods),
			Discount: eur(0), Tax: eur(0)}},
		Subtotal: eur(goods), Discount: eur(0), Shipping: eur(shipping), Tax: eur(0), Total: eur(goods + shipping)}
}

func (m *model) total() int64 { return m.quantity*price + shipping }

// place places an order and reserves its goods.
func (w *world) place(quantity int64) *model {
	w.numbers++
	m := &model{w: w, id: fmt.Sprintf("o%d", 10_000+w.numbers), quantity: quantity, left: quantity}
	w.publish(m.id, contract.OrderPlaced, m.fact())
	w.pay(m.id, "payment.requested", "", 0)
	w.move("main", hat, contract.StockReserved, contract.StockMovement{Quantity: quantity, Order: m.id})
	return m
}

func (m *model) release() {
	m.w.move("main", hat, contract.StockReleased, contract.StockMovement{Quantity: m.left, Order: m.id})
	m.left = 0
}

func (m *model) reject() {
	m.w.pay(m.id, "order.given-up", "", 0)
	m.release()
	m.w.publish(m.id, contract.OrderRejected, contract.PartFact{OrderID: m.id})
}

func (m *model) confirm() {
	m.w.pay(m.id, contract.PaymentAuthorized, "", m.total())
	m.w.publish(m.id, contract.OrderConfirmed, m.fact())
}

func (m *model) cancel() {
	m.w.publish(m.id, contract.OrderCancelled, contract.PartFact{OrderID: m.id})
	m.release()
	m.w.pay(m.id, contract.PaymentVoided, "", m.total())
}

// ship ships some of the goods. The first parcel bears the shipping costs.
func (m *model) ship(n int64) {
	m.parts++
	part := fmt.Sprintf("f%d", m.parts)
	f := contract.FulfilmentFact{OrderID: m.id, Fulfilment: contract.FulfilmentPart{ID: part,
		Parts: []contract.Part{{SKU: hat, Quantity: n, Amount: n * price}}}}
	if m.left == m.quantity {
		f.Fulfilment.Freight = shipping
	}
	m.w.publish(m.id, contract.FulfilmentRequested, f)
	m.w.move("main", hat, contract.StockShipped, contract.StockMovement{Quantity: n, Order: m.id, ID: part})
	m.w.pay(m.id, contract.PaymentCaptured, part, n*price+f.Fulfilment.Freight)
	m.w.publish(m.id, contract.FulfilmentShipped, contract.ShipmentFact{OrderID: m.id, ID: part})
	m.w.publish(m.id, "fulfilment.delivered", contract.PartFact{OrderID: m.id, ID: part})
	m.left -= n
}

func (m *model) giveBack(n int64, restock bool) {
	m.parts++
	part := fmt.Sprintf("r%d", m.parts)
	m.w.publish(m.id, contract.ReturnRequested, contract.ReturnFact{OrderID: m.id, Return: contract.ReturnPart{ID: part,
		Parts: []contract.Part{{SKU: hat, Quantity: n, Amount: n * price}}}})
	m.w.publish(m.id, contract.ReturnReceived,
		contract.ReceiptFact{OrderID: m.id, ID: part, Restock: restock, Owed: n * price})
	if restock {
		m.w.move("main", hat, contract.StockReturned, contract.StockMovement{Quantity: n, Order: m.id, ID: part})
	}
	m.w.pay(m.id, contract.PaymentRefunded, part, n*price)
	m.w.publish(m.id, contract.ReturnSettled, contract.PartFact{OrderID: m.id, ID: part})
	m.returned += n
}

func (m *model) refund(amount int64) {
	m.parts++
	part := fmt.Sprintf("m%d", m.parts)
	m.w.publish(m.id, contract.RefundRequested,
		contract.RefundFact{OrderID: m.id, Refund: contract.RefundPart{ID: part, Amount: amount}})
	m.w.pay(m.id, contract.PaymentRefunded, part, amount)
	m.w.publish(m.id, contract.RefundSettled, contract.PartFact{OrderID: m.id, ID: part})
}

// drawWorld draws a correct history: orders that are at any point of their lives.
func drawWorld(t *rapid.T) *world {
	w := newWorld()
	w.move("main", hat, contract.StockReceived, contract.StockMovement{Quantity: 1000, Reason: "import"})
	for range rapid.IntRange(1, 8).Draw(t, "orders") {
		m := w.place(rapid.Int64Range(1, 5).Draw(t, "quantity"))
		switch rapid.IntRange(0, 6).Draw(t, "life") {
		case 0: // undecided
		case 1:
			m.reject()
		case 2:
			m.confirm()
		case 3:
			m.confirm()
			m.cancel()
		default:
			m.confirm()
			for m.left > 0 && rapid.IntRange(0, 3).Draw(t, "more") > 0 {
				m.ship(rapid.Int64Range(1, m.left).Draw(t, "shipped"))
			}
			if m.left == 0 && rapid.Bool().Draw(t, "returned") {
				m.giveBack(rapid.Int64Range(1, m.quantity).Draw(t, "back"), rapid.Bool().Draw(t, "restock"))
			}
			if m.left == 0 && rapid.Bool().Draw(t, "refunded") {
				m.refund(shipping)
			}
		}
	}
	return w
}
