package buyers

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"haberdash/tests/api"
	"haberdash/tests/chaos/plan"
	"haberdash/tests/chaos/view"
)

// runLifecycle takes a confirmed order through its lifecycle: the buyer cancels it or requests a return, the staff
// ships it, receives the return and refunds money. Each action refers to the order of the latest answer.
func (b *Buyers) runLifecycle(ctx context.Context, buyer *Client, o view.Order, l plan.Lifecycle) error {
	asBuyer, asStaff := buyer.Order(o.ID, o.AccessToken), b.Staff.Order(o.ID, "")
	switch {
	case l.Cancel:
		_, err := asBuyer.Cancel(ctx)
		return err
	case l.CancelAndFulfil:
		return b.cancelAndFulfil(ctx, asBuyer, asStaff, o)
	}
	for i, parcel := range l.Divide(o.Items()) {
		changed, _, err := asStaff.Fulfil(ctx, fmt.Sprintf("parcel-%d-%s", i, o.ID), parcel)
		if err != nil {
			return err
		}
		o = changed
	}
	if l.Deliver {
		for _, parcel := range o.Fulfilments {
			if _, err := asStaff.Deliver(ctx, parcel.ID); err != nil {
				return err
			}
		}
	}
	if l.Return && l.Parcels > 0 {
		if err := returnShipped(ctx, asBuyer, asStaff, o, l); err != nil {
			return err
		}
	}
	if l.RefundPercent > 0 && o.Payment.Captured.Amount > 0 {
		amount := max(1, o.Payment.Captured.Amount*int64(l.RefundPercent)/100)
		return asStaff.Refund(ctx, "refund-"+o.ID, api.Money{Amount: amount, Currency: o.Total.Currency})
	}
	return nil
}

// cancelAndFulfil cancels and ships an order at the same moment. The shop must refuse one of the two.
func (b *Buyers) cancelAndFulfil(ctx context.Context, asBuyer, asStaff Order, o view.Order) error {
	var running sync.WaitGroup
	var cancelled, shipped int
	var errs [2]error
	running.Go(func() { cancelled, errs[0] = asBuyer.Cancel(ctx) })
	running.Go(func() { _, shipped, errs[1] = asStaff.Fulfil(ctx, "race-"+o.ID, o.Items()) })
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if (cancelled == http.StatusOK) == (shipped == http.StatusCreated) {
		b.Record.AddViolation(6, "order %s was cancelled (%d) and shipped (%d) at the same moment: one must be refused",
			o.ID, cancelled, shipped)
	}
	return nil
}

// returnShipped requests the return of the shipped lines, or of a part of them, and receives it.
func returnShipped(ctx context.Context, asBuyer, asStaff Order, o view.Order, l plan.Lifecycle) error {
	var lines []api.Item
	for _, parcel := range o.Fulfilments {
		lines = append(lines, parcel.Lines...)
	}
	lines = view.SumItems(lines)
	if l.ReturnPart && len(lines) > 0 {
		lines = lines[:1]
		lines[0].Quantity = (lines[0].Quantity + 1) / 2
	}
	if len(lines) == 0 {
		return nil
	}
	ret, err := asBuyer.RequestReturn(ctx, "return-"+o.ID, lines)
	if err != nil || ret == "" {
		return err
	}
	_, err = asStaff.Receive(ctx, ret, l.Restock)
	return err
}
