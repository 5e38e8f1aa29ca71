package routes

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/service/views"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// mountCustomer serves what the owner of an order may change: the customer, a guest with the order's token, and staff
// in their place.
func (r *Routes) mountCustomer(api huma.API) {
	cancel := operation("cancel-order", http.MethodPost, "/{id}/cancel", "Cancel an order before it is shipped", 409)
	httpx.Register(api, cancel, r.cancelOrder)
	ret := operation("request-return", http.MethodPost, "/{id}/returns", "Request a return", 409)
	ret.DefaultStatus = http.StatusCreated
	httpx.Register(api, ret, r.postReturn)
}

type cancelOrderInput struct {
	OrderRef
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500"`
	} `required:"false"`
}

func (r *Routes) cancelOrder(ctx context.Context, in *cancelOrderInput) (*orderOutput, error) {
	o, err := r.requireAccess(ctx, in.OrderRef)
	if err != nil {
		return nil, err
	}
	var reason order.Sealed
	if in.Body != nil {
		if reason, err = r.Personal.SealReason(ctx, o, "", in.Body.Reason); err != nil {
			return nil, err
		}
	}
	o, version, err := r.Orders.Cancel(ctx, in.ID, reason)
	if err != nil {
		return nil, err
	}
	failpoint.Reach(afterIntent)
	o, version = r.Lifecycle.CompleteNow(ctx, o, version)
	return r.show(ctx, o, version)
}

// LineInput is a quantity of one SKU. The domain checks its range.
type LineInput struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"128"`
	Quantity int64  `json:"quantity" doc:"1 or more"`
}

func linesOf(in []LineInput) []contract.Line {
	lines := make([]contract.Line, len(in))
	for i, l := range in {
		lines[i] = contract.Line(l)
	}
	return lines
}

// Keyed is an input with an idempotency key, which distinguishes a repetition from a second request.
type Keyed struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"Unique to this request; its repetition changes nothing and gets the same answer"`
}

type requestReturnInput struct {
	OrderRef
	Keyed
	Body struct {
		Lines  []LineInput `json:"lines" maxItems:"200" nullable:"false"`
		Reason string      `json:"reason" minLength:"1" maxLength:"500" pattern:"\\S"`
	}
}

// changeOutput answers a request that adds a fulfilment, return or refund to an order.
type changeOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Cache    string `header:"Cache-Control"`
	Replayed string `header:"Idempotent-Replayed" doc:"true if this answers an earlier request with the key"`
	Body     views.OrderView
}

func (r *Routes) postReturn(ctx context.Context, in *requestReturnInput) (*changeOutput, error) {
	o, _, err := r.read(ctx, in.OrderRef)
	if err != nil {
		return nil, err
	}
	id := r.partID(ctx, "return", in.ID, in.Key)
	existing, repeated := o.Return(id)
	reason, err := r.Personal.SealReason(ctx, o, id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	o, version, err := r.Orders.RequestReturn(ctx, in.ID, orderlog.Return{ID: id, Fingerprint: r.IDs.Fingerprint(in.Body),
		Lines: linesOf(in.Body.Lines), Reason: reason})
	if err != nil {
		return nil, nameKeyHeader(err)
	}
	return r.answerChange(ctx, o, version, change{r.replays.returns, http.StatusCreated, repeated, existing.RequestedBy})
}

// partID is the id of a fulfilment, return or refund: derived from the caller's idempotency key, or a new one.
func (r *Routes) partID(ctx context.Context, kind, orderID, key string) string {
	if key == "" {
		return r.NewID()
	}
	return r.IDs.PartID(kind, orderID, "user/"+identity.Of(ctx).UserID, key)
}

// change is the outcome of a request that adds something to an order.
type change struct {
	replays  prometheus.Counter // of the operation
	status   int
	repeated bool   // an earlier request with the key has added it
	version  uint64 // at which the first answer was given; 0 while there is none
}

// answerChange answers with the order. A repetition gets the first answer: the order as it was then.
func (r *Routes) answerChange(ctx context.Context, o order.Order, version uint64, c change) (*changeOutput, error) {
	out := &changeOutput{Status: c.status, Cache: "private, no-cache"}
	if c.repeated {
		out.Replayed = "true"
		c.replays.Inc()
		if c.version > 0 && c.version != version {
			var err error
			if o, err = r.Orders.At(ctx, o.OrderID, c.version); err != nil {
				return nil, err
			}
			version = c.version
		}
	}
	v, err := r.Views.Order(ctx, o, version)
	if err != nil {
		return nil, err
	}
	out.ETag, out.Body = views.ETag(version), v
	return out, nil
}
