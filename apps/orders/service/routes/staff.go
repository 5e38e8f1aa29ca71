package routes

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
)

// mountStaff serves what staff do with an order.
func (r *Routes) mountStaff(api huma.API) {
	fulfil := staffOperation("create-fulfilment", "/fulfilments", "Ship lines of an order, and capture their share")
	fulfil.DefaultStatus, fulfil.Responses = http.StatusCreated, undecided(api)
	httpx.Register(api, fulfil, r.postFulfilment)
	deliver := staffOperation("deliver-fulfilment", "/fulfilments/{fid}/deliver", "Record that a parcel has arrived")
	httpx.Register(api, deliver, r.recordDelivery)
	receive := staffOperation("receive-return", "/returns/{rid}/receive",
		"Record that a return has come in, and refund it")
	httpx.Register(api, receive, r.receiveReturn)
	refund := staffOperation("create-refund", "/refunds", "Refund money")
	refund.DefaultStatus, refund.Responses = http.StatusCreated, undecided(api)
	httpx.Register(api, refund, r.postRefund)
}

// staffOperation is an operation on an order for staff alone.
func staffOperation(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/api/v1/orders/{id}" + path, Summary: summary,
		Tags: []string{"Fulfilment"}, DefaultStatus: http.StatusOK, Errors: []int{402, 403, 409},
		Security: httpx.BearerOf(identity.Staff)}
}

type createFulfilmentInput struct {
	StaffOrderRef
	Keyed
	Body struct {
		Lines          []LineInput `json:"lines" maxItems:"200" nullable:"false"`
		Carrier        string      `json:"carrier" minLength:"1" maxLength:"100" pattern:"\\S"`
		TrackingNumber string      `json:"trackingNumber" maxLength:"100"`
	}
}

// postFulfilment answers 201 when the parcel's share is captured, 202 when the payment provider has not answered yet
// (the order's lifecycle tries again), and 402 when it refuses.
func (r *Routes) postFulfilment(ctx context.Context, in *createFulfilmentInput) (*changeOutput, error) {
	id := r.partID(ctx, "fulfilment", in.ID, in.Key)
	before, _, err := r.Orders.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	_, repeated := before.Fulfilment(id)
	o, version, err := r.Orders.RequestFulfilment(ctx, in.ID,
		orderlog.Parcel{ID: id, Fingerprint: r.IDs.Fingerprint(in.Body),
			Lines: linesOf(in.Body.Lines), Carrier: in.Body.Carrier, TrackingNumber: in.Body.TrackingNumber})
	if err != nil {
		return nil, nameKeyHeader(err)
	}
	failpoint.Reach(afterIntent)
	if f, _ := o.Fulfilment(id); f.Pending() {
		o, version = r.Lifecycle.CompleteNow(ctx, o, version)
	}
	f, _ := o.Fulfilment(id)
	switch f.Status {
	case order.Pending:
		return r.answerChange(ctx, o, version, change{r.replays.fulfilment, http.StatusAccepted, repeated, 0})
	case order.Failed:
		return nil, fault.New(fault.PaymentRequired, "payment-declined",
			"The payment provider refuses to capture the parcel's share. Its lines are open again.").
			With("code", f.Failure).With("fulfilmentId", f.ID)
	}
	return r.answerChange(ctx, o, version, change{r.replays.fulfilment, http.StatusCreated, repeated, f.ResolvedBy})
}

type deliverInput struct {
	StaffOrderRef
	Fulfilment string `path:"fid" minLength:"1" maxLength:"64"`
}

func (r *Routes) recordDelivery(ctx context.Context, in *deliverInput) (*orderOutput, error) {
	o, version, err := r.Orders.RecordDelivery(ctx, in.ID, in.Fulfilment)
	if err != nil {
		return nil, err
	}
	return r.show(ctx, o, version)
}

type receiveReturnInput struct {
	StaffOrderRef
	Return string `path:"rid" minLength:"1" maxLength:"64"`
	Body   struct {
		Restock bool `json:"restock" doc:"Whether the goods go back on the shelf"`
	}
}

// receiveReturn answers 200 also while the refund is not paid yet: the order's lifecycle tries again.
func (r *Routes) receiveReturn(ctx context.Context, in *receiveReturnInput) (*orderOutput, error) {
	o, version, err := r.Orders.ReceiveReturn(ctx, in.ID, in.Return, in.Body.Restock)
	if err != nil {
		return nil, err
	}
	failpoint.Reach(afterIntent)
	o, version = r.Lifecycle.CompleteNow(ctx, o, version)
	return r.show(ctx, o, version)
}

type createRefundInput struct {
	StaffOrderRef
	Key  string `header:"Idempotency-Key" mandatory:"true" maxLength:"255" doc:"Unique to this refund"`
	Body struct {
		Amount money.Money `json:"amount" doc:"In the order's currency"`
		Reason string      `json:"reason" minLength:"1" maxLength:"500" pattern:"\\S"`
	}
}

// Resolve requires the key, without which a repetition would be a second refund.
func (in *createRefundInput) Resolve(huma.Context) []error {
	if in.Key != "" {
		return nil
	}
	return []error{httpx.NewProblem(
		keyRequired("Send an Idempotency-Key header, so that a repetition cannot give money back twice."))}
}

// postRefund answers 201 when the money is given back, 202 when the payment provider has not answered yet, and 402
// when it refuses.
func (r *Routes) postRefund(ctx context.Context, in *createRefundInput) (*changeOutput, error) {
	before, _, err := r.Orders.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	switch amount := in.Body.Amount; {
	case amount.Currency != before.Total.Currency:
		return nil, fault.BadField("amount.currency", "is not the order's, "+before.Total.Currency)
	case amount.Amount <= 0:
		return nil, fault.BadField("amount.amount", "expected more than 0")
	}
	id := r.partID(ctx, "refund", in.ID, in.Key)
	_, repeated := before.Refund(id)
	reason, err := r.Personal.SealReason(ctx, before, id, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	o, version, err := r.Orders.RequestRefund(ctx, in.ID, orderlog.Refund{ID: id, Fingerprint: r.IDs.Fingerprint(in.Body),
		Amount: in.Body.Amount.Amount, Reason: reason})
	if err != nil {
		return nil, nameKeyHeader(err)
	}
	failpoint.Reach(afterIntent)
	if refund, _ := o.Refund(id); refund.Status == order.Pending {
		o, version = r.Lifecycle.CompleteNow(ctx, o, version)
	}
	refund, _ := o.Refund(id)
	switch refund.Status {
	case order.Pending:
		return r.answerChange(ctx, o, version, change{r.replays.refund, http.StatusAccepted, repeated, 0})
	case order.Failed:
		return nil, fault.New(fault.PaymentRequired, "payment-declined", "The payment provider refuses the refund.").
			With("refundId", refund.ID)
	}
	return r.answerChange(ctx, o, version, change{r.replays.refund, http.StatusCreated, repeated, refund.ResolvedBy})
}
