package service

import (
	"cmp"
	"encoding/json"
	"regexp"

	"github.com/rs/zerolog"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/roster"
	"haberdash/internal/telemetry/field"
)

// logDecisions logs what becomes of an order and its money.
var logDecisions = host.LogDecisions(roster.OrdersLog, map[string]host.Describe{
	contract.OrderPlaced: describe, contract.OrderConfirmed: describe, contract.OrderRejected: describe,
	contract.OrderCancelled: describe, order.EventUnshippedEnded: describe,
	order.EventPaymentAuthorized: describe, order.EventPaymentCaptured: describe,
	order.EventPaymentRefunded: describe, order.EventPaymentVoided: describe,
	order.EventFulfilmentRequested: describe, contract.FulfilmentShipped: describe,
	order.EventFulfilmentFailed: describe, order.EventFulfilmentDelivered: describe,
	order.EventReturnRequested: describe, order.EventReturnReceived: describe, order.EventReturnRefunded: describe,
	order.EventRefundRequested: describe, order.EventRefundPaid: describe, order.EventRefundFailed: describe,
})

// described are the members of all events that a line may have.
type described struct {
	Number, Customer   string
	Reason             string // a code, also of the payment provider
	ID, For            string // of a part of the order
	Fulfilment, Return struct{ ID string }
	Refund             struct{ ID string }
}

// code is what a reason looks like that no person has written.
var code = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,50}$`)

func describe(line *zerolog.Event, e commitlog.Event) {
	id, _ := order.IDOf(e.Aggregate)
	line.Str(field.Order, id)
	var d described
	if json.Unmarshal(e.Data, &d) != nil {
		return
	}
	if d.Number != "" {
		line.Str(field.OrderNumber, d.Number)
	}
	if d.Customer != "" {
		line.Str(field.User, d.Customer)
	}
	if part := cmp.Or(d.ID, d.For, d.Fulfilment.ID, d.Return.ID, d.Refund.ID); part != "" {
		line.Str(field.Part, part)
	}
	if code.MatchString(d.Reason) {
		line.Str(field.Reason, d.Reason)
	}
}
