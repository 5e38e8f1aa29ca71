package checker

import (
	"slices"
	"strings"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/internal/money"
	"haberdash/tests/api"
	"haberdash/tests/chaos/snapshot"
	"haberdash/tests/chaos/view"
)

// asOrder returns what the public API says about an order.
func asOrder(o snapshot.Order) *invariants.Order {
	order := &invariants.Order{ID: o.ID, Status: o.Status, Subtotal: money.Money(o.Subtotal),
		Discount: money.Money(o.Discount), Shipping: money.Money(o.Shipping), Tax: money.Money(o.Tax),
		Total: money.Money(o.Total)}
	for _, l := range o.Lines {
		order.Lines = append(order.Lines, invariants.Line{SKU: l.SKU, Quantity: l.Quantity,
			UnitPrice: money.Money(l.UnitPrice), Total: money.Money(l.Total), Discount: money.Money(l.Discount),
			Tax: money.Money(l.Tax)})
	}
	for _, f := range o.Fulfilments {
		status := f.Status
		if status == "delivered" {
			status = invariants.Shipped
		}
		order.Parcels = append(order.Parcels,
			invariants.Parcel{ID: f.ID, Lines: lines(f.Lines), Amount: f.Amount.Amount, Status: status})
	}
	for _, r := range o.Returns {
		ret := invariants.Return{ID: r.ID, Lines: lines(r.Lines), Received: r.Status == "received",
			Settled: r.Refunded != nil}
		if r.Refunded != nil {
			ret.Amount = r.Refunded.Amount
		}
		ret.Restock = slices.ContainsFunc(o.Events, func(e view.Event) bool {
			return e.Type == contract.ReturnReceived && e.Data.ID == r.ID && e.Data.Restock
		})
		order.Returns = append(order.Returns, ret)
	}
	for _, e := range o.Events {
		if e.Type == contract.RefundRequested {
			order.Refunds = append(order.Refunds, refund(o, e.Data.Refund.ID, e.Data.Refund.Amount))
		}
	}
	order.SetHistory(history(o).Events)
	// The amounts of the document are compared, too.
	p := &order.Payment
	p.Authorised, p.Captured = o.Payment.Authorized.Amount, o.Payment.Captured.Amount
	p.Refunded = o.Payment.Refunded.Amount
	return order
}

func refund(o snapshot.Order, id string, amount int64) invariants.Refund {
	ended := func(eventType string) bool {
		return slices.ContainsFunc(o.Events, func(e view.Event) bool { return e.Type == eventType && e.Data.ID == id })
	}
	return invariants.Refund{ID: id, Amount: amount, Settled: ended(contract.RefundSettled),
		Failed: ended(contract.RefundFailed)}
}

func lines(items []api.Item) (list []contract.Line) {
	for _, i := range items {
		list = append(list, contract.Line{SKU: i.SKU, Quantity: i.Quantity})
	}
	return list
}

// history returns the history of an order as orders gives it to the watcher. The public API leaves out some events.
func history(o snapshot.Order) contract.History {
	h := contract.History{OrderID: o.ID}
	for _, e := range o.Events {
		for int64(len(h.Events))+1 < e.Seq {
			h.Events = append(h.Events, contract.HistoryEvent{Seq: uint64(len(h.Events)) + 1, Type: "left out"})
		}
		h.Events = append(h.Events, contract.HistoryEvent{Seq: uint64(e.Seq), Type: e.Type,
			Published: !strings.HasPrefix(e.Type, "payment."), For: e.Data.For, Amount: e.Money()})
	}
	return h
}
