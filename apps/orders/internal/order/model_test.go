package order_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar/memory"
)

// refusals are the problems that a command on an order may end in; any other error is a bug.
var refusals = []string{"invalid-transition", "not-found", "invalid-quantity", "unknown-sku", "amount-exceeds-captured", "cart-changed", "idempotency-key-reused"}

// psp is what the payment provider has booked for one order, told by the model.
type psp struct{ authorized, captured, refunded int64 }

// machine plays random commands against the book, with restarts, and holds the invariants after each.
type machine struct {
	t      *rapid.T
	ctx    context.Context
	state  *memory.State
	book   *order.Book
	done   func()
	facts  map[string]contract.OrderFact
	ledger map[string]*psp
	n      int
}

func drawFact(t *rapid.T, id string) contract.OrderFact {
	f := contract.OrderFact{OrderID: id, CartID: "cart-" + id, Customer: "ada"}
	sum := rapid.Int64Range(0, 1000).Draw(t, "freight")
	for i := range rapid.IntRange(1, 3).Draw(t, "lines") {
		l := contract.OrderLine{SKU: fmt.Sprint("S", i%2), Quantity: rapid.Int64Range(1, 5).Draw(t, "quantity"),
			Total: eur(rapid.Int64Range(0, 5000).Draw(t, "total")), Tax: eur(rapid.Int64Range(0, 900).Draw(t, "tax"))}
		l.Discount = eur(rapid.Int64Range(0, l.Total.Amount).Draw(t, "discount"))
		sum += l.Total.Amount - l.Discount.Amount + l.Tax.Amount
		f.Lines = append(f.Lines, l)
	}
	f.Total = eur(sum)
	return f
}

func (m *machine) restart() {
	if m.done != nil {
		m.done()
	}
	m.book, m.done = open(m.t, m.state)
}

func (m *machine) check(err error) bool {
	for _, r := range refusals {
		if fault.Is(err, r) {
			return false
		}
	}
	require.NoError(m.t, err)
	return true
}

func (m *machine) parcelLines() []contract.Line {
	return []contract.Line{{SKU: rapid.SampledFrom([]string{"S0", "S1", "S2"}).Draw(m.t, "sku"), Quantity: rapid.Int64Range(0, 4).Draw(m.t, "n")}}
}

// settle does one of the order's duties as the service would.
func (m *machine) settle(o order.Order) error {
	id, p, d := o.OrderID, m.ledger[o.OrderID], o.Duties()
	var err error
	switch {
	case d.Free:
		if _, _, err = m.book.Settled(m.ctx, id); err == nil {
			p.authorized = 0
		}
	case len(d.Fulfilments) > 0 && rapid.IntRange(0, 4).Draw(m.t, "refuse") == 0:
		_, _, err = m.book.Failed(m.ctx, id, d.Fulfilments[0].ID, "declined")
	case len(d.Fulfilments) > 0:
		f := d.Fulfilments[0]
		if _, _, err = m.book.Shipped(m.ctx, id, f.ID, "c"); err == nil {
			p.authorized, p.captured = p.authorized-f.Amount(), p.captured+f.Amount()
		}
	case len(d.Returns) > 0:
		if _, _, err = m.book.ReturnSettled(m.ctx, id, d.Returns[0].ID, "r"); err == nil {
			p.refunded += d.Returns[0].Owed
		}
	case len(d.Refunds) > 0:
		if _, _, err = m.book.RefundSettled(m.ctx, id, d.Refunds[0].ID, "r", ""); err == nil {
			p.refunded += d.Refunds[0].Amount
		}
	}
	return err
}

// commands are weighted: most orders are to get far.
var commands = []int{0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 10, 11, 11, 11, 11, 11}

// parts are the ids of what an order has already.
func parts(o order.Order) (ids []string) {
	for _, f := range o.Fulfilments {
		ids = append(ids, f.ID)
	}
	for _, r := range o.Returns {
		ids = append(ids, r.ID)
	}
	return ids
}

func (m *machine) command(id string) error {
	m.n++
	o, _, err := m.book.Get(m.ctx, id)
	known := err == nil
	part := rapid.SampledFrom(append(parts(o), fmt.Sprint("p", m.n), fmt.Sprint("p", m.n))).Draw(m.t, "part")
	switch rapid.SampledFrom(commands).Draw(m.t, "command") {
	case 0:
		if _, ok := m.facts[id]; !ok {
			m.facts[id], m.ledger[id] = drawFact(m.t, id), &psp{}
		}
		_, _, _, err = m.book.Place(m.ctx, m.facts[id], order.Request{Fingerprint: "f"})
	case 1:
		if !known {
			return nil
		}
		if _, _, err = m.book.Confirm(m.ctx, id, "auth", m.facts[id].Total); err == nil && o.Status == order.Placing {
			m.ledger[id].authorized = o.Total.Amount
		}
	case 2:
		if known {
			_, _, err = m.book.Reject(m.ctx, o, order.Rejection{Reason: order.PaymentDeclines})
		}
	case 3:
		_, _, err = m.book.GiveUp(m.ctx, id, order.Rejection{Reason: order.Expired})
	case 4:
		_, _, err = m.book.Cancel(m.ctx, id, order.Sealed{})
	case 5:
		_, _, err = m.book.End(m.ctx, id, "authorization-expired")
	case 6:
		_, _, err = m.book.Fulfil(m.ctx, id, order.Parcel{ID: part, Lines: m.parcelLines()})
	case 7:
		_, _, err = m.book.Deliver(m.ctx, id, part)
	case 8:
		_, _, err = m.book.AskReturn(m.ctx, id, order.ReturnRequest{ID: part, Lines: m.parcelLines()})
	case 9:
		_, _, err = m.book.Receive(m.ctx, id, part, rapid.Bool().Draw(m.t, "restock"))
	case 10:
		_, _, err = m.book.AskRefund(m.ctx, id, order.RefundRequest{ID: part, Amount: rapid.Int64Range(1, 3000).Draw(m.t, "amount")})
	case 11:
		if known {
			err = m.settle(o)
		}
	}
	return err
}

// hold holds what must be true of an order at any time.
func (m *machine) hold(id string, was order.Status) order.Status {
	o, version, err := m.book.Get(m.ctx, id)
	if fault.Is(err, "not-found") {
		return ""
	}
	t, p := m.t, m.ledger[id]
	require.NoError(t, err)
	require.Equal(t, psp{p.authorized, p.captured, p.refunded}, psp{o.Payment.Authorized.Amount, o.Payment.Captured.Amount, o.Payment.Refunded.Amount}, "the books agree")
	require.GreaterOrEqual(t, p.authorized, int64(0))
	require.LessOrEqual(t, p.authorized+p.captured, o.Total.Amount)
	require.GreaterOrEqual(t, p.captured, p.refunded)
	if o.Status == order.Rejected || o.Status == order.Cancelled {
		require.Zero(t, p.captured, "nothing was captured of what is not served")
	}
	sent, ordered, captured := map[string]int64{}, map[string]int64{}, int64(0)
	for _, l := range o.Lines {
		ordered[l.SKU] += l.Quantity
	}
	for _, f := range o.Fulfilments {
		require.GreaterOrEqual(t, f.Amount(), int64(0))
		if f.Status == order.Shipped || f.Status == order.Arrived {
			captured += f.Amount()
			for _, part := range f.Parts {
				sent[part.SKU] += part.Quantity
			}
		}
	}
	require.Equal(t, captured, p.captured, "what is captured is what was shipped")
	complete := true
	for sku, n := range ordered {
		require.LessOrEqual(t, sent[sku], n)
		complete = complete && sent[sku] == n
	}
	if complete {
		require.Equal(t, o.Total.Amount, p.captured, "the shares sum to the total")
	}
	if o.Status == order.Returned && !o.Duties().Any() {
		require.Equal(t, p.captured, p.refunded, "all back, all given back")
	}
	if was != "" && was != o.Status {
		require.Contains(t, ways[was], o.Status)
	}
	then, err := m.book.At(m.ctx, id, version)
	require.NoError(t, err)
	a, _ := json.Marshal(o)
	b, _ := json.Marshal(then)
	require.JSONEq(t, string(a), string(b), "history folds to the state")
	return o.Status
}

var ways = map[order.Status][]order.Status{
	order.Placing:            {order.Confirmed, order.Rejected},
	order.Confirmed:          {order.Cancelled, order.PartiallyFulfilled, order.Fulfilled},
	order.PartiallyFulfilled: {order.Fulfilled, order.Delivered, order.Returned},
	order.Fulfilled:          {order.Delivered, order.Returned},
	order.Delivered:          {order.Returned},
}

func TestAnyCommandsKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: rt, ctx: context.Background(), state: memory.NewState(), facts: map[string]contract.OrderFact{}, ledger: map[string]*psp{}}
		m.restart()
		defer func() { m.done() }()
		was := map[string]order.Status{}
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "order")
			m.check(m.command(id))
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				m.restart()
			}
			was[id] = m.hold(id, was[id])
		}
	})
}
