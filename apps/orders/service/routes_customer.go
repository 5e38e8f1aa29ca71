package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// mountCustomer adds what an order's owner may do, a guest with the order's token, and staff for them.
func (s *Service) mountCustomer(api huma.API) {
	tags := []string{"Orders"}
	httpx.Register(api, huma.Operation{OperationID: "cancel-order", Method: http.MethodPost, Path: "/api/v1/orders/{id}/cancel", Tags: tags,
		Summary: "Cancel an order before it is shipped", Security: httpx.Optional, Errors: []int{409}}, s.cancelOrder)
	httpx.Register(api, huma.Operation{OperationID: "request-return", Method: http.MethodPost, Path: "/api/v1/orders/{id}/returns", Tags: tags,
		Summary: "Ask to send lines back", Security: httpx.Optional, DefaultStatus: http.StatusCreated, Errors: []int{409}}, s.postReturn)
}

type cancelOrderInput struct {
	OrderRef
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"500"`
	} `required:"false"`
}

func (s *Service) cancelOrder(ctx context.Context, in *cancelOrderInput) (*orderOutput, error) {
	o, _, err := s.read(ctx, in.OrderRef)
	if err != nil {
		return nil, err
	}
	var why order.Sealed
	if in.Body != nil {
		if why, err = s.why(ctx, o, "", in.Body.Reason); err != nil {
			return nil, err
		}
	}
	o, version, err := s.Book.Cancel(ctx, in.ID, why)
	if err != nil {
		return nil, err
	}
	reached(afterIntent)
	o, version, err = s.settle(ctx, o, version)
	promised(ctx, o, err)
	return s.shown(ctx, o, version)
}

// LineInput is a quantity of one SKU. Its range is the domain's to refuse.
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

// Keyed is an input whose repetition can be told from a second request.
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

// changeOutput answers a request that adds something to an order.
type changeOutput struct {
	Status   int
	ETag     string `header:"ETag"`
	Cache    string `header:"Cache-Control"`
	Replayed string `header:"Idempotent-Replayed" doc:"true if this answers an earlier request with the key"`
	Body     orderView
}

func (s *Service) postReturn(ctx context.Context, in *requestReturnInput) (*changeOutput, error) {
	o, _, err := s.read(ctx, in.OrderRef)
	if err != nil {
		return nil, err
	}
	id := s.partID(ctx, "return", in.ID, in.Key)
	made, known := o.Return(id)
	why, err := s.why(ctx, o, id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	o, version, err := s.Book.AskReturn(ctx, in.ID, order.ReturnRequest{ID: id, Fingerprint: s.fingerprint(in.Body), Lines: linesOf(in.Body.Lines), Why: why})
	if err != nil {
		return nil, err
	}
	return s.answerChange(ctx, o, version, known, made.RequestedBy, http.StatusCreated)
}

// partID is the id of a fulfilment, return or refund: from the caller's idempotency key, or without one a
// new one each time.
func (s *Service) partID(ctx context.Context, kind, orderID, key string) string {
	if key == "" {
		return newPartID()
	}
	return idEncoding.EncodeToString(s.mac(kind, orderID, "user/"+identity.Of(ctx).UserID, key)[:15])
}

// answerChange gives a repetition the first answer: the order as it was when that was given, which is after
// its event number then, 0 while that is still to come.
func (s *Service) answerChange(ctx context.Context, o order.Order, version uint64, replayed bool, then uint64, status int) (*changeOutput, error) {
	out := &changeOutput{Status: status, Cache: "private, no-cache"}
	if replayed {
		out.Replayed = "true"
		if then > 0 && then != version {
			var err error
			if o, err = s.Book.At(ctx, o.OrderID, then); err != nil {
				return nil, err
			}
			version = then
		}
	}
	v, err := s.view(ctx, o, version)
	if err != nil {
		return nil, err
	}
	out.ETag, out.Body = etag(version), v
	return out, nil
}
