package psp

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kinds of movements in the ledger, in addition to created.
const (
	authorized = "authorized" // money is reserved
	declined   = "declined"   // no money is reserved
	captured   = "captured"   // reserved money is paid to the merchant
	released   = "released"   // the remaining reserved money is released by the merchant
	expired    = "expired"    // the remaining reserved money is released because the authorisation has expired
	refunded   = "refunded"   // captured money is paid back
)

// requestMulticapture is the parameter that requests multicapture, when an intent is created or confirmed.
const requestMulticapture = "payment_method_options[card][request_multicapture]"

// Webhook event types.
const (
	eventCapturable = "payment_intent.amount_capturable_updated"
	eventSucceeded  = "payment_intent.succeeded"
	eventCanceled   = "payment_intent.canceled"
	eventFailed     = "payment_intent.payment_failed"
	eventRefunded   = "charge.refunded"
)

// confirm tries to reserve the money. A declined intent can be confirmed again with another payment method.
func (t *tx) confirm() result {
	token, param := t.form.text("payment_method"), "payment_method"
	if data := t.form.text("payment_method_data[card][token]"); data != "" {
		token, param = data, "payment_method_data[card][token]"
	}
	t.form.choice("payment_method_data[type]", "card")
	t.form.choice("error_on_requires_action", "false", "true")
	multicapture := t.form.choice(requestMulticapture, "", "never", "if_available")
	was := t.intents[t.id]
	if was == nil {
		return missing(http.StatusNotFound, "payment_intent", t.id, "intent")
	}
	if was.Status != requiresPaymentMethod {
		return unexpectedState(was, "confirm")
	}
	outcome, known := outcomes[token]
	switch {
	case token == "":
		return invalid("payment_method", "parameter_missing",
			"You cannot confirm this PaymentIntent because it's missing a payment method.")
	case !known && strings.HasPrefix(token, "pm_"):
		return missing(http.StatusBadRequest, "PaymentMethod", token, param)
	case !known:
		return missing(http.StatusBadRequest, "token", token, param)
	}
	i := was.clone()
	if multicapture != "" {
		i.Multicapture = multicapture == "if_available"
	}
	if i.Multicapture && t.options.SingleCapture {
		return fail(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "payment_intent_invalid_parameter",
			Message: "This account is not eligible for the requested card features."})
	}
	if token == TokenError && i.Failures < tokenErrors {
		i.Failures++
		status := http.StatusInternalServerError
		return result{status: status, body: internalError(), entry: entry{Intent: i}, executed: true}
	}
	i.Charge = &charge{ID: newID("ch"), Created: t.now.Unix(), Failed: outcome != nil}
	if i.Decline = outcome; outcome != nil {
		i.move(t.now, declined, i.Amount)
		res := t.changed(i, eventFailed)
		wire, e := i.wire(t.form.expanded("latest_charge")), *outcome.wire()
		e.PaymentIntent, e.Charge = &wire, i.Charge.ID
		res.status, res.body = http.StatusPaymentRequired, errorBody{e}
		return res
	}
	i.move(t.now, authorized, i.Amount)
	i.Charge.Multicapture = i.Multicapture && token != TokenSingleCapture
	i.Status = requiresCapture
	var res result
	if i.CaptureMethod == "manual" {
		res = t.changed(i, eventCapturable)
	} else {
		i.capture(t.now, i.Amount, true)
		res = t.changed(i, eventSucceeded)
	}
	res.token = token
	return res
}

// capture captures reserved money. The capture is final unless final_capture is false, as with Stripe: it releases the
// money that it does not capture.
func (t *tx) capture() result {
	amount := t.form.integer("amount_to_capture", -1)
	final := t.form.choice("final_capture", "true", "false") == "true"
	metadata := t.form.metadata()
	was := t.intents[t.id]
	switch {
	case was == nil:
		return missing(http.StatusNotFound, "payment_intent", t.id, "intent")
	case was.Status != requiresCapture:
		return unexpectedState(was, "capture")
	case !final && !was.Charge.Multicapture:
		return fail(http.StatusBadRequest, apiError{Type: invalidRequest, Param: "final_capture",
			Message: "Multicapture is not available for this PaymentIntent."})
	}
	i := was.clone()
	if amount < 0 {
		amount = i.capturable()
	}
	if i.Metadata == nil {
		i.Metadata = map[string]string{}
	}
	for name, value := range metadata {
		i.Metadata[name] = value
	}
	switch {
	case len(i.Metadata) > maxMetadata:
		return invalid("metadata", "", "You cannot have more than %d metadata keys on an object.", maxMetadata)
	case amount > i.capturable():
		return fail(http.StatusBadRequest, apiError{
			Type: invalidRequest, Code: "amount_too_large", Param: "amount_to_capture",
			Message: "The amount to capture is greater than the amount that can be captured."})
	case amount == 0 && (!final || i.Received == 0):
		return invalid("amount_to_capture", "amount_too_small", "There is nothing to capture.")
	}
	i.capture(t.now, amount, final)
	events := []string{eventCapturable}
	if final {
		events = append(events, eventSucceeded)
	}
	return t.changed(i, events...)
}

// cancel releases reserved money, or ends an intent that has reserved none. An intent that is captured in part cannot
// be cancelled; a final capture ends it (see "Capture a payment multiple times" in Stripe's documentation).
func (t *tx) cancel() result {
	reason := t.form.choice("cancellation_reason", "", "duplicate", "fraudulent", "requested_by_customer", "abandoned")
	was := t.intents[t.id]
	switch {
	case was == nil:
		return missing(http.StatusNotFound, "payment_intent", t.id, "intent")
	case was.Status != requiresPaymentMethod && was.Status != requiresCapture, was.Received > 0:
		return unexpectedState(was, "cancel")
	}
	i := was.clone()
	i.cancel(t.now, released, reason)
	return t.changed(i, eventCanceled)
}

// expire lets an authorisation expire, which Stripe does a week after the confirmation.
func (t *tx) expire() result {
	was := t.intents[t.id]
	switch {
	case was == nil:
		return missing(http.StatusNotFound, "payment_intent", t.id, "intent")
	case was.Status != requiresCapture:
		return unexpectedState(was, "expire")
	}
	i := was.clone()
	if i.Received > 0 {
		i.move(t.now, expired, i.capturable())
		i.Charge.Final, i.Status = true, succeeded
		return t.changed(i, eventCapturable, eventSucceeded)
	}
	i.cancel(t.now, expired, "expired") // versions of the API before 2025-03-31 have "automatic"
	return t.changed(i, eventCanceled)
}

// Expire lets the authorisation of a PaymentIntent expire now. It returns an error if the intent has none.
func (s *Server) Expire(id string) error {
	s.mu.Lock()
	res := (&tx{options: &s.options, state: s.state, form: emptyForm(), id: id, now: time.Now()}).expire()
	s.commit(&res, "", "")
	wait := s.barrier()
	s.mu.Unlock()
	if res.status != http.StatusOK {
		return fmt.Errorf("psp: expire %s: %d", id, res.status)
	}
	return wait()
}

func (s *Server) serveExpire(w http.ResponseWriter, r *http.Request) {
	if err := s.Expire(r.PathValue("id")); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// capture moves reserved money to the merchant. A final capture releases the rest.
func (i *intent) capture(now time.Time, amount int64, final bool) {
	if amount > 0 {
		i.move(now, captured, amount)
		i.Received += amount
	}
	if !final {
		return
	}
	if rest := i.capturable(); rest > 0 {
		i.move(now, released, rest)
	}
	i.Charge.Final, i.Status = true, succeeded
}

// cancel ends an intent that has captured nothing, and releases its reserved money.
func (i *intent) cancel(now time.Time, kind, reason string) {
	if amount := i.capturable(); amount > 0 {
		i.move(now, kind, amount)
	}
	if i.Charge != nil {
		i.Charge.Final = true
	}
	i.Status, i.Reason, i.CanceledAt = canceled, reason, now.Unix()
}
