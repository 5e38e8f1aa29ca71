// Package tracing knows the trace of an order, for the tests that look at it through different programs.
package tracing

import (
	"github.com/stretchr/testify/assert"
)

// Scope is the instrumentation scope of the spans of apps. Those of sidecars have another one.
const Scope = "haberdash"

// Span is a span of a trace.
type Span struct {
	Service, Name string
	Scope         string
	Parent        string // its id, or empty
}

// hops are the spans, by service, that a placed order must have from the buyer's request to the mail.
var hops = []string{
	"gateway: POST /api/v1/orders", "gateway: POST orders", "orders: POST /api/v1/orders",
	"orders: POST cart", "cart: POST /internal/quotes",
	"orders: PUT catalog", "catalog: PUT /internal/reservations/{orderId}",
	"orders: commit orders", "orders: write orders", "orders: publish orders",
	"catalog: process orders", "cart: process orders", "notifications: process orders",
	"orders: start lifecycle", "orders: activity settle-order",
	"notifications: dapr.proto.runtime.v1.Dapr/InvokeBinding",
	// of the sidecars
	"gateway: CallLocal/orders/api/v1/orders", "orders: CallLocal/orders/api/v1/orders",
	"notifications: /dapr.proto.runtime.v1.Dapr/InvokeBinding",
}

// AssertOrder asserts that the spans of a trace, by their ids, show each hop of an order; that the trace begins at the
// gateway; and that no span of an app is without its parent.
func AssertOrder(t assert.TestingT, spans map[string]Span) {
	names, roots := []string{}, []string{}
	for _, s := range spans {
		name := s.Service + ": " + s.Name
		names = append(names, name)
		switch {
		case s.Parent == "":
			roots = append(roots, name)
		case s.Scope == Scope: // sidecars export the span of a workflow when the workflow ends
			assert.Contains(t, spans, s.Parent, "the parent of %s", name)
		}
	}
	for _, hop := range hops {
		assert.Contains(t, names, hop)
	}
	assert.Equal(t, []string{"gateway: POST /api/v1/orders"}, roots)
}
