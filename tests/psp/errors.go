package psp

import (
	"fmt"
	"net/http"
)

// Types of Stripe's errors.
const (
	apiFailure     = "api_error"
	cardError      = "card_error"
	idempotency    = "idempotency_error"
	invalidRequest = "invalid_request_error"
)

// apiError is Stripe's error object.
type apiError struct {
	Type          string         `json:"type"`
	Code          string         `json:"code,omitempty"`
	DeclineCode   string         `json:"decline_code,omitempty"`
	Message       string         `json:"message"`
	Param         string         `json:"param,omitempty"`
	Charge        string         `json:"charge,omitempty"`
	PaymentIntent *paymentIntent `json:"payment_intent,omitempty"`
}

type errorBody struct {
	Error apiError `json:"error"`
}

// refuse returns the answer to a request that is refused before it is executed. Its idempotency key stays unused.
func refuse(status int, e apiError) result { return result{status: status, body: errorBody{e}} }

// fail returns the answer to a request that was executed and failed. Its idempotency key stores the answer.
func fail(status int, e apiError) result {
	return result{status: status, body: errorBody{e}, executed: true}
}

// invalid refuses a parameter.
func invalid(param, code, format string, args ...any) result {
	return refuse(http.StatusBadRequest,
		apiError{Type: invalidRequest, Code: code, Param: param, Message: fmt.Sprintf(format, args...)})
}

// missing returns the answer for an object that does not exist. The status is 404 if the path names the object, and 400
// if a parameter does.
func missing(status int, what, id, param string) result {
	return fail(status, apiError{Type: invalidRequest, Code: "resource_missing", Param: param,
		Message: fmt.Sprintf("No such %s: '%s'", what, id)})
}

func internalError() errorBody {
	return errorBody{apiError{Type: apiFailure, Message: "An unknown error occurred."}}
}

// unexpectedState returns the answer to an operation that the status of the intent does not allow.
func unexpectedState(i *intent, verb string) result {
	wire := i.wire(false)
	return fail(http.StatusBadRequest, apiError{
		Type: invalidRequest, Code: "payment_intent_unexpected_state", PaymentIntent: &wire,
		Message: fmt.Sprintf("You cannot %s this PaymentIntent because it has a status of %s.", verb, i.Status),
	})
}
