package orderlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/invariants"
	"haberdash/internal/sidecar/memory"
)

// refusals are the problems that a command on an order may end in; any other error is a bug.
var refusals = []string{"invalid-transition", "not-found", "invalid-quantity", "unknown-sku",
	"amount-exceeds-captured", "cart-changed", "idempotency-key-reused"}

// account is what the payment provider has booked for one order, according to the model.
type account struct{ authorized, captured, refunded int64 }

// machine runs random commands against the repository, with restarts, and checks the invariants after each.
type machine struct {
	t        *rapid.T
	ctx      context.Context
	state    *memory.State
	orders   *orderlog.Repository
	log      *commitlog.Partition[order.State]
	facts    map[string]contract.OrderFact
	accounts map[string]*account
	n        int
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
	if m.log != nil {
		m.log.Close(m.ctx)
	}
	m.orders, m.log = open(m.t, m.state)
}

// checkOutcome fails for an error that is no refusal.
func (m *machine) checkOutcome(err error) {
	for _, r := range refusals {
		if fault.Is(err, r) {
			return
		}
	}
	require.NoError(m.t, err)
}

func (m *machine) parcelLines() []contract.Line {
	return []contract.Line{{SKU: rapid.SampledFrom([]string{"S0", "S1", "S2"}).Draw(m.t, "sku"),
		Quantity: rapid.Int64Range(0, 4).Draw(m.t, "n")}}
}

// completeDuty does one of the order's duties as the service would.
func (m *machine) completeDuty(o order.Order) error {
	id, p, d := o.OrderID, m.accounts[o.OrderID], o.Duties()
	var err error
	switch {
	case d.Release:
		if _, _, err = m.orders.RecordRelease(m.ctx, id); err == nil {
			p.authorized = 0
		}
	case len(d.Fulfilments) > 0 && rapid.IntRange(0, 4).Draw(m.t, "refuse") == 0:
		_, _, err = m.orders.RecordCaptureRefusal(m.ctx, id, d.Fulfilments[0].ID, "declined")
	case len(d.Fulfilments) > 0:
		f := d.Fulfilments[0]
		if _, _, err = m.orders.RecordShipment(m.ctx, id, f.ID, "c"); err == nil {
			p.authorized, p.captured = p.authorized-f.Amount(), p.captured+f.Amount()
		}
	case len(d.Returns) > 0:
		if _, _, err = m.orders.RecordReturnRefund(m.ctx, id, d.Returns[0].ID, "r"); err == nil {
			p.refunded += d.Returns[0].Owed
		}
	case len(d.Refunds) > 0:
		if _, _, err = m.orders.RecordRefund(m.ctx, id, d.Refunds[0].ID, "r"); err == nil {
			p.refunded += d.Refunds[0].Amount
		}
	}
	return err
}

// commands are weighted, so that most orders get far.
var commands = []int{0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 10, 11, 11, 11, 11, 11}

// partIDs are the ids of the parts that an order has already.
func partIDs(o order.Order) (ids []string) {
	for _, f := range o.Fulfilments {
		ids = append(ids, f.ID)
	}
	for _, r := range o.Returns {
		ids = append(ids, r.ID)
	}
	return ids
}

// runCommand runs a random command on an order.
func (m *machine) runCommand(id string) error {
	m.n++
	o, _, err := m.orders.Get(m.ctx, id)
	known := err == nil
	part := rapid.SampledFrom(append(partIDs(o), fmt.Sprint("p", m.n), fmt.Sprint("p", m.n))).Draw(m.t, "part")
	switch rapid.SampledFrom(commands).Draw(m.t, "command") {
	case 0:
		if _, ok := m.facts[id]; !ok {
			m.facts[id], m.accounts[id] = drawFact(m.t, id), &account{}
		}
		_, _, _, err = m.orders.Place(m.ctx, m.facts[id], order.Request{Fingerprint: "f"})
	case 1:
		if !known {
			return nil
		}
		if _, _, err = m.orders.Confirm(m.ctx, id, "auth", m.facts[id].Total); err == nil && o.Status == order.Placing {
			m.accounts[id].authorized = o.Total.Amount
		}
	case 2:
		if known {
			_, _, err = m.orders.Reject(m.ctx, o, order.Rejection{Reason: order.PaymentDeclined})
		}
	case 3:
		_, _, err = m.orders.BeginRejection(m.ctx, id, order.Rejection{Reason: order.Expired})
	case 4:
		_, _, err = m.orders.Cancel(m.ctx, id, order.Sealed{})
	case 5:
		_, _, err = m.orders.EndUnshipped(m.ctx, id, "authorization-expired")
	case 6:
		_, _, err = m.orders.RequestFulfilment(m.ctx, id, orderlog.Parcel{ID: part, Lines: m.parcelLines()})
	case 7:
		_, _, err = m.orders.RecordDelivery(m.ctx, id, part)
	case 8:
		_, _, err = m.orders.RequestReturn(m.ctx, id, orderlog.Return{ID: part, Lines: m.parcelLines()})
	case 9:
		_, _, err = m.orders.ReceiveReturn(m.ctx, id, part, rapid.Bool().Draw(m.t, "restock"))
	case 10:
		_, _, err = m.orders.RequestRefund(m.ctx, id, orderlog.Refund{ID: part,
			Amount: rapid.Int64Range(1, 3000).Draw(m.t, "amount")})
	case 11:
		if known {
			err = m.completeDuty(o)
		}
	}
	return err
}

// checkInvariants checks what must always be true of an order, and returns its status.
func (m *machine) checkInvariants(id string, was order.Status) order.Status {
	o, version, err := m.orders.Get(m.ctx, id)
	if fault.Is(err, "not-found") {
		return ""
	}
	t, p := m.t, m.accounts[id]
	require.NoError(t, err)
	paid := account{o.Payment.Authorized.Amount, o.Payment.Captured.Amount, o.Payment.Refunded.Amount}
	require.Equal(t, account{p.authorized, p.captured, p.refunded}, paid, "the order and the provider agree")
	require.GreaterOrEqual(t, p.authorized, int64(0))
	require.LessOrEqual(t, p.authorized+p.captured, o.Total.Amount)
	require.GreaterOrEqual(t, p.captured, p.refunded)
	if o.Status == order.Rejected || o.Status == order.Cancelled {
		require.Zero(t, p.captured, "nothing is captured of an order that is not shipped")
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
	require.Equal(t, captured, p.captured, "exactly what was shipped is captured")
	complete := true
	for sku, n := range ordered {
		require.LessOrEqual(t, sent[sku], n)
		complete = complete && sent[sku] == n
	}
	if complete {
		require.Equal(t, o.Total.Amount, p.captured, "the shares sum to the total")
	}
	if o.Status == order.Returned && !o.Duties().Any() {
		require.Equal(t, p.captured, p.refunded, "all is returned, all is refunded")
	}
	if was != "" && was != o.Status {
		require.Contains(t, transitions[was], o.Status)
	}
	then, err := m.orders.At(m.ctx, id, version)
	require.NoError(t, err)
	a, _ := json.Marshal(o)
	b, _ := json.Marshal(then)
	require.JSONEq(t, string(a), string(b), "the history folds to the state")
	return o.Status
}

// transitions are the statuses that may follow a status.
var transitions = map[order.Status][]order.Status{
	order.Placing:            {order.Confirmed, order.Rejected},
	order.Confirmed:          {order.Cancelled, order.PartiallyFulfilled, order.Fulfilled},
	order.PartiallyFulfilled: {order.Fulfilled, order.Delivered, order.Returned},
	order.Fulfilled:          {order.Delivered, order.Returned},
	order.Delivered:          {order.Returned},
}

func TestRandomCommandsKeepTheRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{t: rt, ctx: context.Background(), state: memory.NewState(), facts: map[string]contract.OrderFact{},
			accounts: map[string]*account{}}
		m.restart()
		defer func() { m.log.Close(m.ctx) }()
		was := map[string]order.Status{}
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "order")
			m.checkOutcome(m.runCommand(id))
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				m.restart()
			}
			was[id] = m.checkInvariants(id, was[id])
		}
		m.checkWatched()
	})
}

// checkWatched checks that the watcher finds nothing wrong with what is published, and with the payments. The facts of
// this test have amounts that do not add up, and there is no stock.
func (m *machine) checkWatched() {
	shop := invariants.NewShop(invariants.Options{})
	page, err := m.log.Feed(m.ctx, 1, 1000)
	require.NoError(m.t, err)
	for _, e := range page.Events {
		require.Empty(m.t, shop.Apply(e, e.At))
	}
	for _, id := range shop.Orders() {
		events, err := readmodel.New(m.log).Movements(m.ctx, id)
		require.NoError(m.t, err)
		for _, v := range shop.Check(id, &contract.History{OrderID: id, Events: events}, time.Time{}) {
			require.Contains(m.t, []int{invariants.Stock, invariants.Sums}, v.Invariant, "%s", v)
		}
	}
}
