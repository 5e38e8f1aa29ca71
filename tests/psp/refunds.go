package psp

import (
	"net/http"
	"slices"
)

// createRefund pays captured money back, before or after the final capture.
func (t *tx) createRefund() result {
	id, amount, metadata := t.form.required("payment_intent"), t.form.integer("amount", -1), t.form.metadata()
	t.form.choice("reason", "", "duplicate", "fraudulent", "requested_by_customer")
	was := t.intents[id]
	if was == nil {
		return missing(http.StatusBadRequest, "payment_intent", id, "payment_intent")
	}
	if was.Received == 0 {
		return fail(http.StatusBadRequest, apiError{Type: invalidRequest,
			Message: "This PaymentIntent does not have a successful charge to refund."})
	}
	left := was.Received - was.Charge.Refunded
	if amount < 0 {
		amount = left
	}
	switch {
	case left == 0:
		return fail(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "charge_already_refunded",
			Message: "Charge has already been refunded.", Charge: was.Charge.ID})
	case amount == 0:
		return invalid("amount", "parameter_invalid_integer", "Invalid positive integer")
	case amount > left:
		return fail(http.StatusBadRequest, apiError{Type: invalidRequest, Param: "amount",
			Message: "Refund amount is greater than unrefunded amount on charge."})
	case len(metadata) > maxMetadata:
		return invalid("metadata", "", "You cannot have more than %d metadata keys on an object.", maxMetadata)
	}
	i := was.clone()
	i.Charge.Refunded += amount
	i.move(t.now, refunded, amount)
	r := refund{
		ID: newID("re"), Intent: i.ID, Charge: i.Charge.ID, Amount: amount, Currency: i.Currency,
		Metadata: metadata, Created: t.now.Unix(),
	}
	return result{
		status: http.StatusOK, body: r.wire(), executed: true,
		entry: entry{Intent: i, Refund: &r, Events: []event{newEvent(eventRefunded, t.now, i.wireCharge())}},
	}
}

// listRefunds lists the refunds of an intent, newest first.
func (t *tx) listRefunds() result {
	id, limit, after := t.form.required("payment_intent"), t.form.integer("limit", 10), t.form.text("starting_after")
	if limit < 1 || limit > 100 {
		return invalid("limit", "", "Limits are 1 to 100.")
	}
	all := slices.Clone(t.refunds[id])
	slices.Reverse(all)
	if after != "" {
		at := slices.IndexFunc(all, func(r refund) bool { return r.ID == after })
		if at < 0 {
			return missing(http.StatusBadRequest, "refund", after, "starting_after")
		}
		all = all[at+1:]
	}
	page := all[:min(int64(len(all)), limit)]
	data := make([]refundObject, len(page))
	for n, r := range page {
		data[n] = r.wire()
	}
	return result{status: http.StatusOK, body: list{"list", "/v1/refunds", len(page) < len(all), data}}
}
