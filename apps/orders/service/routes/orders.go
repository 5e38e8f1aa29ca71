package routes

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/placement"
	"haberdash/apps/orders/service/privacy"
	"haberdash/apps/orders/service/views"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

type placeInput struct {
	Key  string `header:"Idempotency-Key" mandatory:"true" maxLength:"255" doc:"Unique to this purchase"`
	Body placement.Placement
}

// Resolve adds what Validate finds to the errors of the schema.
func (in *placeInput) Resolve(huma.Context) (errs []error) {
	if err := in.Body.Validate(); err != nil {
		for _, field := range fault.Of(err).Fields {
			errs = append(errs, &huma.ErrorDetail{Location: "body." + field.Location, Message: field.Message})
		}
	}
	return errs
}

type placeOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Replayed string `header:"Idempotent-Replayed"`
	Body     views.OrderView
}

func (r *Routes) postOrder(ctx context.Context, in *placeInput) (*placeOutput, error) {
	if in.Key == "" {
		return nil, keyRequired("Send an Idempotency-Key header, so that a repetition cannot buy twice.")
	}
	answer, err := r.Placer.Place(ctx, in.Key, in.Body)
	if answer.Repeated {
		r.replays.place.Inc()
	}
	switch {
	case err != nil:
		return nil, nameKeyHeader(err)
	case answer.Refusal != nil:
		problem := httpx.NewProblem(answer.Refusal)
		if answer.Repeated {
			problem = problem.WithHeader("Idempotent-Replayed", "true")
		}
		return nil, problem
	}
	person := privacy.Person{Email: in.Body.Email, Address: in.Body.ShippingAddress}
	v, err := r.Views.FirstAnswer(ctx, answer.Order, answer.Version, person)
	if err != nil {
		return nil, err
	}
	out := &placeOutput{Status: http.StatusCreated, ETag: views.ETag(v.Version), Location: "/api/v1/orders/" + v.ID,
		Body: v}
	if answer.Order.Status == order.Placing {
		out.Status = http.StatusAccepted
	}
	if answer.Repeated {
		out.Replayed = "true"
	}
	return out, nil
}

// keyRequired refuses a request without an idempotency key.
func keyRequired(detail string) *fault.Error {
	return fault.New(fault.Malformed, "idempotency-key-required", detail).WithField("header.Idempotency-Key", "required")
}

func (r *Routes) getOrder(ctx context.Context, in *OrderRef) (*orderOutput, error) {
	o, version, err := r.read(ctx, *in)
	if err != nil {
		return nil, err
	}
	return r.show(ctx, o, version)
}

type listInput struct {
	httpx.Page
	Status   order.Status `query:"status" enum:"placing,confirmed,partially-fulfilled,fulfilled,delivered,cancelled,rejected,returned"`
	Customer string       `query:"customer" maxLength:"128" doc:"Staff only: a customer's id"`
}

type listOutput struct {
	Cache string `header:"Cache-Control"`
	Body  httpx.List[views.OrderView]
}

// listPosition is a cursor of the list of orders.
type listPosition struct {
	Before uint64 `json:"b"`
}

func (r *Routes) listOrders(ctx context.Context, in *listInput) (*listOutput, error) {
	caller, err := identity.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	filter := readmodel.Filter{Customer: in.Customer, Status: in.Status}
	if !caller.Has(identity.Staff) {
		if in.Customer != "" && in.Customer != caller.UserID {
			return nil, fault.New(fault.Forbidden, "forbidden", "Only staff list other customers' orders.").
				WithField("query.customer", "is not the id of the caller")
		}
		filter.Customer = caller.UserID
	}
	var at listPosition
	if err := in.Position(&at); err != nil {
		return nil, err
	}
	orders, next, err := r.ReadModel.List(ctx, filter, at.Before, in.Limit)
	if err != nil {
		return nil, err
	}
	items, err := r.Views.List(ctx, orders)
	if err != nil {
		return nil, err
	}
	out := &listOutput{Cache: "private, no-cache", Body: httpx.List[views.OrderView]{Items: items}}
	if next > 0 {
		out.Body.NextCursor = httpx.Cursor(listPosition{next})
	}
	return out, nil
}

type eventsOutput struct {
	Cache string `header:"Cache-Control"`
	Body  []readmodel.Fact
}

func (r *Routes) getEvents(ctx context.Context, in *OrderRef) (*eventsOutput, error) {
	if _, err := r.requireAccess(ctx, *in); err != nil {
		return nil, err
	}
	facts, err := r.ReadModel.History(ctx, in.ID, r.Personal.OpenReasons(ctx, in.ID))
	if err != nil {
		return nil, err
	}
	return &eventsOutput{Cache: "private, no-cache", Body: facts}, nil
}

type decisionInput struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type decisionOutput struct{ Body contract.OrderDecision }

// getDecision tells catalog whether a reservation must be kept.
func (r *Routes) getDecision(ctx context.Context, in *decisionInput) (*decisionOutput, error) {
	o, _, err := r.Orders.Get(ctx, in.ID)
	if err != nil && !fault.Is(err, "not-found") {
		return nil, err
	}
	decision := string(order.Confirmed)
	switch {
	case err != nil:
		decision = "unknown"
	case o.Status == order.Placing, o.Status == order.Rejected, o.Status == order.Cancelled:
		decision = string(o.Status)
	}
	return &decisionOutput{contract.OrderDecision{OrderID: in.ID, Decision: decision}}, nil
}

type historiesInput struct{ Body contract.HistoriesRequest }

type historiesOutput struct{ Body contract.HistoriesReply }

// postHistories tells the watcher what it cannot learn from published events.
func (r *Routes) postHistories(ctx context.Context, in *historiesInput) (*historiesOutput, error) {
	out := &historiesOutput{contract.HistoriesReply{Histories: []contract.History{}}}
	for _, id := range in.Body.OrderIDs {
		events, err := r.ReadModel.Movements(ctx, id)
		if err != nil {
			return nil, err
		}
		out.Body.Histories = append(out.Body.Histories, contract.History{OrderID: id, Events: events})
	}
	return out, nil
}
