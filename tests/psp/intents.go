package psp

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// maxAmount is Stripe's limit for most currencies: eight digits.
const maxAmount = 99_999_999

// maxMetadata is how many names the metadata of an object may have.
const maxMetadata = 50

// created is the first movement of an intent in the ledger. It moves no money.
const created = "created"

// create creates an intent without a payment method. The provider does not support confirming in the same call.
func (t *tx) create() result {
	f := t.form
	i := &intent{
		ID: newID("pi"), Amount: f.integer("amount", -1), Currency: strings.ToLower(f.required("currency")),
		CaptureMethod: f.choice("capture_method", "automatic_async", "automatic", "manual"),
		Multicapture:  f.choice(requestMulticapture, "never", "if_available") == "if_available",
		Metadata:      f.metadata(), Created: t.now.Unix(), Status: requiresPaymentMethod,
	}
	for _, kind := range f.list("payment_method_types") {
		if kind != "card" {
			return invalid("payment_method_types", "", "The payment method type %q is not for this provider.", kind)
		}
	}
	f.text("description")
	switch {
	case i.Amount < 0:
		return invalid("amount", "parameter_missing", "Missing required param: amount.")
	case i.Amount == 0:
		return invalid("amount", "amount_too_small", "Amount must be at least 1.")
	case i.Amount > maxAmount:
		return invalid("amount", "amount_too_large", "Amount must be no more than 999,999.99.")
	case !currency.MatchString(i.Currency):
		return invalid("currency", "", "Invalid currency: %s.", i.Currency)
	case len(i.Metadata) > maxMetadata:
		return invalid("metadata", "", "You cannot have more than %d metadata keys on an object.", maxMetadata)
	}
	i.move(t.now, created, i.Amount)
	return t.changed(i)
}

var currency = regexp.MustCompile(`^[a-z]{3}$`)

func (t *tx) retrieve() result {
	i := t.intents[t.id]
	if i == nil {
		return missing(http.StatusNotFound, "payment_intent", t.id, "intent")
	}
	return t.changed(i).withoutChange()
}

var byMetadata = regexp.MustCompile(`^metadata\["([^"\\]+)"\]:"((?:[^"\\]|\\.)*)"$`)

// search finds intents by one metadata value, newest first. It finds a new intent at once, while Stripe's search may
// take a minute.
func (t *tx) search() result {
	query, limit := t.form.required("query"), t.form.integer("limit", 10)
	match := byMetadata.FindStringSubmatch(query)
	if match == nil {
		return invalid("query", "", "Only metadata[\"name\"]:\"value\" can be searched for.")
	}
	value := regexp.MustCompile(`\\(.)`).ReplaceAllString(match[2], "$1")
	found := []paymentIntent{}
	more := false
	for _, id := range slices.Backward(t.order) {
		if i := t.intents[id]; i.Metadata[match[1]] == value {
			if more = int64(len(found)) == limit; more {
				break
			}
			found = append(found, i.wire(t.form.expanded("latest_charge")))
		}
	}
	return result{status: http.StatusOK, body: list{"search_result", "/v1/payment_intents/search", more, found}}
}

// changed returns the result of a change: the intent after the change, and events of the given types.
func (t *tx) changed(i *intent, events ...string) result {
	res := result{
		status: http.StatusOK, executed: true,
		body: i.wire(t.form.expanded("latest_charge")), entry: entry{Intent: i},
	}
	for _, kind := range events {
		res.entry.Events = append(res.entry.Events, newEvent(kind, t.now, i.wire(false)))
	}
	return res
}

func (r result) withoutChange() result {
	r.entry = entry{}
	return r
}
