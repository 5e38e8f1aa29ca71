package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
)

// mountStaff adds what the back office does with an order.
func (s *Service) mountStaff(api huma.API) {
	op := func(id, path, summary string, status int) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v1/orders/{id}" + path, Summary: summary, Tags: []string{"Fulfilment"},
			DefaultStatus: status, Security: httpx.Bearer, Errors: []int{402, 403, 409}, Middlewares: huma.Middlewares{httpx.Only(identity.Staff)}}
	}
	fulfil := op("create-fulfilment", "/fulfilments", "Send lines of an order, and capture their share", http.StatusCreated)
	fulfil.Responses = undecided(api)
	httpx.Register(api, fulfil, s.postFulfilment)
	httpx.Register(api, op("deliver-fulfilment", "/fulfilments/{fid}/deliver", "Record that a parcel has arrived", http.StatusOK), s.deliver)
	httpx.Register(api, op("receive-return", "/returns/{rid}/receive", "Record that a return has come in, and refund it", http.StatusOK), s.receive)
	refund := op("create-refund", "/refunds", "Give money back", http.StatusCreated)
	refund.Responses = undecided(api)
	httpx.Register(api, refund, s.postRefund)
}

// PartOf names an order to staff.
type PartOf struct {
	ID string `path:"id" minLength:"1" maxLength:"64"`
}

type createFulfilmentInput struct {
	PartOf
	Keyed
	Body struct {
		Lines          []LineInput `json:"lines" maxItems:"200" nullable:"false"`
		Carrier        string      `json:"carrier" minLength:"1" maxLength:"100" pattern:"\\S"`
		TrackingNumber string      `json:"trackingNumber" maxLength:"100"`
	}
}

// postFulfilment answers 201 when the parcel's share is captured, 202 when the payment provider has not answered
// yet (the order's lifecycle goes on with it), and 402 when it refuses.
func (s *Service) postFulfilment(ctx context.Context, in *createFulfilmentInput) (*changeOutput, error) {
	id := s.partID(ctx, "fulfilment", in.ID, in.Key)
	before, _, err := s.Book.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	_, known := before.Fulfilment(id)
	o, version, err := s.Book.Fulfil(ctx, in.ID, order.Parcel{ID: id, Fingerprint: s.fingerprint(in.Body), Lines: linesOf(in.Body.Lines),
		Carrier: in.Body.Carrier, TrackingNumber: in.Body.TrackingNumber})
	if err != nil {
		return nil, err
	}
	reached(afterIntent)
	if f, _ := o.Fulfilment(id); f.Status == order.Pending {
		o, version, err = s.settle(ctx, o, version)
		promised(ctx, o, err)
	}
	f, _ := o.Fulfilment(id)
	switch f.Status {
	case order.Pending:
		return s.answerChange(ctx, o, version, known, 0, http.StatusAccepted)
	case order.Failed:
		return nil, fault.New(fault.PaymentRequired, "payment-declined", "The payment provider refuses to capture the parcel's share. Its lines are open again.").
			With("code", f.Failure).With("fulfilmentId", f.ID)
	}
	return s.answerChange(ctx, o, version, known, f.SettledBy, http.StatusCreated)
}

type deliverInput struct {
	PartOf
	Fulfilment string `path:"fid" minLength:"1" maxLength:"64"`
}

func (s *Service) deliver(ctx context.Context, in *deliverInput) (*orderOutput, error) {
	o, version, err := s.Book.Deliver(ctx, in.ID, in.Fulfilment)
	if err != nil {
		return nil, err
	}
	return s.shown(ctx, o, version)
}

type receiveReturnInput struct {
	PartOf
	Return string `path:"rid" minLength:"1" maxLength:"64"`
	Body   struct {
		Restock bool `json:"restock" doc:"Whether the goods go back on the shelf"`
	}
}

// receive answers 200 also while the refund is still to come: the order's lifecycle goes on with it.
func (s *Service) receive(ctx context.Context, in *receiveReturnInput) (*orderOutput, error) {
	o, version, err := s.Book.Receive(ctx, in.ID, in.Return, in.Body.Restock)
	if err != nil {
		return nil, err
	}
	reached(afterIntent)
	o, version, err = s.settle(ctx, o, version)
	promised(ctx, o, err)
	return s.shown(ctx, o, version)
}

type createRefundInput struct {
	PartOf
	Key  string `header:"Idempotency-Key" mandatory:"true" maxLength:"255" doc:"Unique to this refund"`
	Body struct {
		Amount money.Money `json:"amount" doc:"In the order's currency"`
		Reason string      `json:"reason" minLength:"1" maxLength:"500" pattern:"\\S"`
	}
}

// Resolve asks for the key that a repetition of a refund needs.
func (in *createRefundInput) Resolve(huma.Context) []error {
	if in.Key != "" {
		return nil
	}
	return []error{httpx.NewProblem(fault.New(fault.Malformed, "idempotency-key-required", "Send an Idempotency-Key header, so that a repetition cannot give money back twice.").
		WithField("header.Idempotency-Key", "required"))}
}

// postRefund answers 201 when the money is given back, 202 when the payment provider has not answered yet, and
// 402 when it refuses.
func (s *Service) postRefund(ctx context.Context, in *createRefundInput) (*changeOutput, error) {
	before, _, err := s.Book.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	switch amount := in.Body.Amount; {
	case amount.Currency != before.Total.Currency:
		return nil, fault.BadField("body.amount.currency", "is not the order's, "+before.Total.Currency)
	case amount.Amount <= 0:
		return nil, fault.BadField("body.amount.amount", "expected more than 0")
	}
	id := s.partID(ctx, "refund", in.ID, in.Key)
	_, known := before.Refund(id)
	why, err := s.why(ctx, before, id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	o, version, err := s.Book.AskRefund(ctx, in.ID, order.RefundRequest{ID: id, Fingerprint: s.fingerprint(in.Body), Amount: in.Body.Amount.Amount, Why: why})
	if err != nil {
		return nil, err
	}
	reached(afterIntent)
	if r, _ := o.Refund(id); r.Status == order.Pending {
		o, version, err = s.settle(ctx, o, version)
		promised(ctx, o, err)
	}
	r, _ := o.Refund(id)
	switch r.Status {
	case order.Pending:
		return s.answerChange(ctx, o, version, known, 0, http.StatusAccepted)
	case order.Failed:
		return nil, fault.New(fault.PaymentRequired, "payment-declined", "The payment provider refuses the refund.").With("refundId", r.ID)
	}
	return s.answerChange(ctx, o, version, known, r.SettledBy, http.StatusCreated)
}
