// Package routes serves the API of orders: placing and reading them (orders.go, stream.go), what their owners may
// change (customer.go), and what staff do with them (staff.go).
package routes

import (
	"context"
	"crypto/subtle"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/internal/ids"
	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/lifecycle"
	"haberdash/apps/orders/service/placement"
	"haberdash/apps/orders/service/privacy"
	"haberdash/apps/orders/service/views"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Options of the Routes.
type Options struct {
	Orders    *orderlog.Repository
	ReadModel *readmodel.Orders
	Placer    *placement.Placer
	Lifecycle *lifecycle.Lifecycle
	Personal  *privacy.PersonalData
	Views     *views.Views
	Metrics   prometheus.Registerer
	IDs       ids.Deriver
	NewID     func() string // of a fulfilment or return without an idempotency key
}

// Routes handles requests about orders.
type Routes struct {
	Options
	replays replays
	streams streams
}

// New makes the routes.
func New(o Options) *Routes { return &Routes{Options: o, replays: newReplays(o.Metrics)} }

// afterIntent is a step after which the chaos tests kill the process: a cancellation, fulfilment, return or refund is
// in the log, and nothing of it is done.
const afterIntent = "orders-promised"

// Mount serves the routes.
func (r *Routes) Mount(api huma.API) {
	place := operation("place-order", http.MethodPost, "", "Place an order of a cart", 402, 404, 409)
	place.DefaultStatus, place.Responses = http.StatusCreated, undecided(api)
	httpx.Register(api, place, r.postOrder)
	list := operation("list-orders", http.MethodGet, "", "List the caller's orders; staff list all", 403)
	list.Security = httpx.Bearer
	httpx.Register(api, list, r.listOrders)
	httpx.Register(api, operation("get-order", http.MethodGet, "/{id}", "Read an order"), r.getOrder)
	events := operation("get-order-events", http.MethodGet, "/{id}/events", "Read an order's history")
	httpx.Register(api, events, r.getEvents)
	httpx.Register(api, huma.Operation{OperationID: "internal-order-decision", Method: http.MethodGet,
		Path: "/internal/orders/{id}/decision", Tags: []string{"Internal"}, Summary: "What became of an order"},
		r.getDecision)
	httpx.Register(api, huma.Operation{OperationID: "internal-histories", Method: http.MethodPost,
		Path: "/internal/histories", Tags: []string{"Internal"}, Summary: "What happened to orders, and to their money"},
		r.postHistories)
	r.mountStream(api)
	r.mountCustomer(api)
	r.mountStaff(api)
}

// operation is an operation on orders, for customers and guests.
func operation(id, method, path, summary string, errors ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: "/api/v1/orders" + path, Summary: summary,
		Tags: []string{"Orders"}, Security: httpx.Optional, Errors: errors}
}

// undecided describes the answer 202, which Huma does not know: the request is recorded, and the payment provider has
// not answered yet.
func undecided(api huma.API) map[string]*huma.Response {
	shape := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[views.OrderView](), true, "")
	return map[string]*huma.Response{"202": {
		Description: "Accepted: decided when the payment provider answers",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: shape}},
	}}
}

// OrderRef names an order and, for a guest, proves that it is theirs.
type OrderRef struct {
	ID    string `path:"id" minLength:"1" maxLength:"64"`
	Token string `header:"X-Order-Token" maxLength:"128" doc:"accessToken of a guest's order"`
}

// StaffOrderRef names an order to staff.
type StaffOrderRef struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

// read returns an order, as it is at the end of the log, to a caller who may see it. While the store does not answer,
// it returns what memory has. Problem: not-found (404), for any other caller too.
func (r *Routes) read(ctx context.Context, ref OrderRef) (order.Order, uint64, error) {
	o, version, err := r.Orders.GetOrRecent(ctx, ref.ID)
	if err == nil && !r.mayAccess(ctx, o, ref.Token) {
		err = fault.Missing("order")
	}
	if err != nil {
		return order.Order{}, 0, err
	}
	return o, version, nil
}

// requireAccess refuses a caller who may not see an order: not-found (404). It needs no call of the store for an order
// in memory, because the owner of an order never changes. The returned order may be a second old.
func (r *Routes) requireAccess(ctx context.Context, ref OrderRef) (order.Order, error) {
	o, _, err := r.Orders.Recent(ctx, ref.ID)
	if err == nil && !r.mayAccess(ctx, o, ref.Token) {
		err = fault.Missing("order")
	}
	if err != nil {
		return order.Order{}, err
	}
	return o, nil
}

// mayAccess reports whether the caller is staff, placed the order as a customer, or has the token of a guest's order.
func (r *Routes) mayAccess(ctx context.Context, o order.Order, token string) bool {
	caller := identity.Of(ctx)
	switch {
	case caller.Has(identity.Staff), caller.Known() && o.Customer == caller.UserID:
		return true
	}
	return o.Customer == "" && subtle.ConstantTimeCompare([]byte(token), []byte(r.IDs.AccessToken(o.OrderID))) == 1
}

type orderOutput struct {
	ETag  string `header:"ETag"`
	Cache string `header:"Cache-Control"`
	Body  views.OrderView
}

// show answers with an order in its present state, also while it still owes something.
func (r *Routes) show(ctx context.Context, o order.Order, version uint64) (*orderOutput, error) {
	v, err := r.Views.Order(ctx, o, version)
	if err != nil {
		return nil, err
	}
	return &orderOutput{ETag: views.ETag(version), Cache: "private, no-cache", Body: v}, nil
}

// nameKeyHeader adds the header to the refusal of an idempotency key, which the domain knows only as a value.
func nameKeyHeader(err error) error {
	if f := fault.Of(err); f.Type == order.KeyReusedType && len(f.Fields) == 0 {
		return f.WithField("header.Idempotency-Key", "was used with another body")
	}
	return err
}
