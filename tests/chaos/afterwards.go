package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"haberdash/tests/api"
)

// afterwards lets a confirmed order meet its fate: the buyer cancels or returns, the staff sends, receives and
// refunds. Each does it on the order as it was answered last.
func (w *World) afterwards(ctx context.Context, p *person, o Order, f Fate) error {
	buyer := handle{w: w, who: p, id: o.ID, token: o.AccessToken}
	staff := handle{w: w, who: w.staff, id: o.ID}
	switch {
	case f.Cancel:
		_, err := buyer.cancel(ctx)
		return err
	case f.Race:
		return w.race(ctx, buyer, staff, o)
	}
	for i, parcel := range parcels(o, f) {
		now, _, err := staff.fulfil(ctx, fmt.Sprintf("parcel-%d-%s", i, o.ID), parcel)
		if err != nil {
			return err
		}
		o = now
	}
	if f.Deliver {
		for _, parcel := range o.Fulfilments {
			if _, err := staff.deliver(ctx, parcel.ID); err != nil {
				return err
			}
		}
	}
	if f.Return && f.Parcels > 0 {
		if err := w.sendBack(ctx, buyer, staff, o, f); err != nil {
			return err
		}
	}
	if f.Refund > 0 && o.Payment.Captured.Amount > 0 {
		amount := max(1, o.Payment.Captured.Amount*int64(f.Refund)/100)
		return staff.refund(ctx, "refund-"+o.ID, api.Money{Amount: amount, Currency: o.Total.Currency})
	}
	return nil
}

// race cancels and sends an order at the same moment: one of the two is refused.
func (w *World) race(ctx context.Context, buyer, staff handle, o Order) error {
	var all sync.WaitGroup
	var cancelled, sent int
	var errs [2]error
	all.Go(func() { cancelled, errs[0] = buyer.cancel(ctx) })
	all.Go(func() { _, sent, errs[1] = staff.fulfil(ctx, "race-"+o.ID, o.items()) })
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	if (cancelled == http.StatusOK) == (sent == http.StatusCreated) {
		w.Witness.surprise(6, "order %s was cancelled (%d) and sent (%d) at the same moment: one of the two must be refused", o.ID, cancelled, sent)
	}
	return nil
}

// parcels divides an order's lines; every line is in one of them, in the last what is left of it.
func parcels(o Order, f Fate) (list [][]api.Item) {
	left := o.items()
	for n := f.Parcels; n > 0; n-- {
		var parcel []api.Item
		for i := range left {
			take := (left[i].Quantity + int64(n) - 1) / int64(n)
			if n == 1 && f.Rest {
				take = 0
			}
			if take > 0 {
				parcel = append(parcel, api.Item{SKU: left[i].SKU, Quantity: take})
				left[i].Quantity -= take
			}
		}
		if len(parcel) > 0 {
			list = append(list, parcel)
		}
	}
	return list
}

// sendBack returns what was sent, or some of it, and lets the staff receive it.
func (w *World) sendBack(ctx context.Context, buyer, staff handle, o Order, f Fate) error {
	var back []api.Item
	for _, parcel := range o.Fulfilments {
		for _, i := range parcel.Lines {
			at := slices.IndexFunc(back, func(b api.Item) bool { return b.SKU == i.SKU })
			if at < 0 {
				back = append(back, i)
			} else {
				back[at].Quantity += i.Quantity
			}
		}
	}
	if f.Part && len(back) > 0 {
		back = back[:1]
		back[0].Quantity = (back[0].Quantity + 1) / 2
	}
	if len(back) == 0 {
		return nil
	}
	ret, err := buyer.sendBack(ctx, "return-"+o.ID, back)
	if err != nil || ret == "" {
		return err
	}
	_, err = staff.receive(ctx, ret, f.Restock)
	return err
}

// count adjusts stock by hand.
func (w *World) count(ctx context.Context, m Movement) error {
	body := map[string]any{"delta": m.Delta, "reason": m.Reason}
	if m.Location != "" {
		body["location"] = m.Location
	}
	a, err := w.staff.once(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/stock/" + m.SKU + "/adjustments",
		Header: map[string]string{"Idempotency-Key": m.Key}, Body: body})
	if err != nil {
		return err
	}
	if a.Status != http.StatusOK && (a.Status != http.StatusConflict || a.Problem().Name() != "insufficient-stock") {
		w.Witness.surprise(0, "adjustment %s is answered with %d %.300s", m.Key, a.Status, a.Body)
	}
	w.Witness.note(func() { w.Witness.movements = append(w.Witness.movements, Moved{m, a.Status}) })
	return nil
}
