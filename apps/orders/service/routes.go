package service

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/mail"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Mount adds the routes.
func (s *Service) Mount(api huma.API) {
	tags := []string{"Orders"}
	httpx.Register(api, huma.Operation{OperationID: "place-order", Method: http.MethodPost, Path: "/api/v1/orders", Tags: tags,
		Summary: "Place an order of a cart", Security: httpx.Optional, DefaultStatus: http.StatusCreated,
		Errors: []int{402, 404, 409}, Responses: undecided(api)}, s.postOrder)
	httpx.Register(api, huma.Operation{OperationID: "list-orders", Method: http.MethodGet, Path: "/api/v1/orders", Tags: tags,
		Summary: "List one's own orders, staff all", Security: httpx.Bearer, Errors: []int{403}}, s.listOrders)
	httpx.Register(api, huma.Operation{OperationID: "get-order", Method: http.MethodGet, Path: "/api/v1/orders/{id}", Tags: tags,
		Summary: "Read an order", Security: httpx.Optional}, s.getOrder)
	httpx.Register(api, huma.Operation{OperationID: "get-order-events", Method: http.MethodGet, Path: "/api/v1/orders/{id}/events", Tags: tags,
		Summary: "Read an order's history", Security: httpx.Optional}, s.getEvents)
	httpx.Register(api, huma.Operation{OperationID: "internal-order-decision", Method: http.MethodGet, Path: "/internal/orders/{id}/decision",
		Tags: []string{"Internal"}, Summary: "What became of an order"}, s.getDecision)
	s.mountContacts(api)
	s.mountErasures(api)
	s.mountStream(api)
	s.mountCustomer(api)
	s.mountStaff(api)
	logapi.MountConsumer(api, "orders", s.consumer)
}

// undecided describes 202, which Huma does not know of: what was asked for is on record, and the payment provider has
// not answered yet.
func undecided(api huma.API) map[string]*huma.Response {
	shape := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[orderView](), true, "")
	return map[string]*huma.Response{"202": {
		Description: "Accepted: decided when the payment provider answers",
		Content:     map[string]*huma.MediaType{"application/json": {Schema: shape}},
	}}
}

type placeInput struct {
	Key  string `header:"Idempotency-Key" mandatory:"true" maxLength:"255" doc:"Unique to this purchase"`
	Body placement
}

// Resolve refuses what the schema's email format lets through: a display name beside the address.
func (in *placeInput) Resolve(huma.Context) []error {
	if a, err := mail.ParseAddress(in.Body.Email); err != nil || a.Address != in.Body.Email {
		return []error{&huma.ErrorDetail{Location: "body.email", Message: "expected an email address alone", Value: in.Body.Email}}
	}
	return nil
}

type placeOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed"`
	Body     orderView
}

func (s *Service) postOrder(ctx context.Context, in *placeInput) (*placeOutput, error) {
	if in.Key == "" {
		return nil, fault.New(fault.Malformed, "idempotency-key-required", "Send an Idempotency-Key header, so that a repetition cannot buy twice.").
			WithField("header.Idempotency-Key", "required")
	}
	out, err := s.place(ctx, in.Key, in.Body)
	if err != nil {
		if out.replayed {
			return nil, httpx.NewProblem(err).WithHeader("Idempotent-Replayed", "true")
		}
		return nil, err
	}
	v, err := s.firstAnswer(ctx, out.order, out.version, in.Body)
	if err != nil {
		return nil, err
	}
	reply := &placeOutput{Status: http.StatusCreated, ETag: etag(v.Version), Location: "/api/v1/orders/" + v.ID, Body: v}
	if out.order.Status == order.Placing {
		reply.Status = http.StatusAccepted
	}
	if out.replayed {
		reply.Replayed = "true"
	}
	return reply, nil
}

// OrderRef names an order and, for a guest, proves that it is theirs.
type OrderRef struct {
	ID    string `path:"id" minLength:"1" maxLength:"64"`
	Token string `header:"X-Order-Token" maxLength:"128" doc:"accessToken of a guest's order"`
}

// read gives an order to its owner, to staff, and to a guest with its token. To anybody else there is no
// such order.
func (s *Service) read(ctx context.Context, ref OrderRef) (order.Order, uint64, error) {
	o, version, err := s.Book.Get(ctx, ref.ID)
	if err != nil {
		return o, version, err
	}
	caller := identity.Of(ctx)
	switch {
	case caller.Has(identity.Staff), caller.Known() && o.Customer == caller.UserID:
		return o, version, nil
	case o.Customer == "" && subtle.ConstantTimeCompare([]byte(ref.Token), []byte(s.accessToken(o.OrderID))) == 1:
		return o, version, nil
	}
	return order.Order{}, 0, fault.Missing("order")
}

type orderOutput struct {
	ETag  string `header:"ETag"`
	Cache string `header:"Cache-Control"`
	Body  orderView
}

func (s *Service) getOrder(ctx context.Context, in *OrderRef) (*orderOutput, error) {
	o, version, err := s.read(ctx, *in)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, o, version)
}

// shown is an order in its present state, whether or not all that was promised is done.
func (s *Service) shown(ctx context.Context, o order.Order, version uint64) (*orderOutput, error) {
	v, err := s.view(ctx, o, version)
	if err != nil {
		return nil, err
	}
	return &orderOutput{ETag: etag(version), Cache: "private, no-cache", Body: v}, nil
}

type listInput struct {
	httpx.Page
	Status   order.Status `query:"status" enum:"placing,confirmed,partially-fulfilled,fulfilled,delivered,cancelled,rejected,returned"`
	Customer string       `query:"customer" maxLength:"128" doc:"Staff only: a customer's id"`
}

type listOutput struct {
	Cache string `header:"Cache-Control"`
	Body  httpx.List[orderView]
}

type listPosition struct {
	Before uint64 `json:"b"`
}

func (s *Service) listOrders(ctx context.Context, in *listInput) (*listOutput, error) {
	caller, err := identity.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	filter := order.Filter{Customer: in.Customer, Status: in.Status}
	if !caller.Has(identity.Staff) {
		if in.Customer != "" && in.Customer != caller.UserID {
			return nil, fault.New(fault.Forbidden, "forbidden", "Only staff list other customers' orders.").WithField("query.customer", "is not you")
		}
		filter.Customer = caller.UserID
	}
	var at listPosition
	if err := in.Position(&at); err != nil {
		return nil, err
	}
	orders, next, err := s.Book.List(ctx, filter, at.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listOutput{Cache: "private, no-cache", Body: httpx.List[orderView]{Items: []orderView{}}}
	views, err := s.views(ctx, orders)
	if err != nil {
		return nil, err
	}
	out.Body.Items = append(out.Body.Items, views...)
	if next > 0 {
		out.Body.NextCursor = httpx.Cursor(listPosition{next})
	}
	return out, nil
}

type eventsOutput struct {
	Cache string `header:"Cache-Control"`
	Body  []order.Fact
}

func (s *Service) getEvents(ctx context.Context, in *OrderRef) (*eventsOutput, error) {
	if _, _, err := s.read(ctx, *in); err != nil {
		return nil, err
	}
	facts, err := s.Book.History(ctx, in.ID, s.words(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	return &eventsOutput{Cache: "private, no-cache", Body: facts}, nil
}

type decisionInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type decisionOutput struct{ Body contract.OrderDecision }

func (s *Service) getDecision(ctx context.Context, in *decisionInput) (*decisionOutput, error) {
	reply := contract.OrderDecision{OrderID: in.ID, Decision: "unknown"}
	o, _, err := s.Book.Get(ctx, in.ID)
	if err != nil && !fault.Is(err, "not-found") {
		return nil, err
	}
	switch {
	case err != nil:
	case o.Status == order.Placing, o.Status == order.Rejected, o.Status == order.Cancelled:
		reply.Decision = string(o.Status)
	default:
		reply.Decision = string(order.Confirmed)
	}
	return &decisionOutput{reply}, nil
}
