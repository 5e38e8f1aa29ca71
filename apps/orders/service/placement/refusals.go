package placement

import (
	"context"
	"encoding/json"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// refusal is why a request makes no order.
type refusal struct {
	cause    error
	recorded bool // an earlier request with the key was refused like this
}

// refusalTTL is how long a refusal is stored under its idempotency key. Orders stay in the log for ever.
const refusalTTL = 24 * time.Hour

// recordedRefusal is the stored answer to a request that made no order, for example because the cart was empty. A
// repetition of the request gets it again, even if the cart is not empty any more: a new attempt needs a new key. The
// JSON names are stored data.
type recordedRefusal struct {
	Fingerprint string         `json:"fingerprint"`
	Status      int            `json:"status"`
	Type        string         `json:"type"`
	Detail      string         `json:"detail"`
	Fields      []fault.Field  `json:"fields,omitempty"`
	Members     map[string]any `json:"members,omitempty"`
}

func refusalKey(orderID string) string { return "refused/" + orderID }

// earlierRefusal is the stored refusal of the same request, or idempotency-key-reused (422) for another request.
func earlierRefusal(item sidecar.Item, s submission) *refusal {
	var r recordedRefusal
	if err := sidecar.DecodeJSON(item, &r); err != nil {
		return &refusal{cause: err}
	}
	if r.Fingerprint != s.fingerprint {
		return &refusal{cause: order.KeyReused()}
	}
	return &refusal{recorded: true, cause: &fault.Error{
		Kind: fault.KindOf(r.Status), Type: r.Type, Detail: r.Detail, Fields: r.Fields, Members: r.Members}}
}

// answerWithoutOrder answers a request that makes no order now. Its order may exist without being in the memory of this
// process: then the first request placed it and thereby emptied the cart.
func (p *Placer) answerWithoutOrder(ctx context.Context, s submission, why refusal) (Answer, error) {
	o, version, err := p.Orders.Get(ctx, s.orderID)
	switch {
	case err == nil:
		return p.answerExisting(ctx, o, version, s)
	case !fault.Is(err, "not-found"):
		return Answer{}, err
	case why.recorded:
		return Answer{Refusal: fault.Of(why.cause), Repeated: true}, nil
	}
	return Answer{}, p.recordRefusal(ctx, s, why.cause)
}

// recordRefusal stores a refusal for repetitions of the request, and returns it. It stores no outage, no
// malformed request and no idempotency-key-reused.
func (p *Placer) recordRefusal(ctx context.Context, s submission, why error) error {
	f := fault.Of(why)
	if f.Kind != fault.Conflict && f.Kind != fault.Invalid || f.Type == order.KeyReusedType {
		return why
	}
	value, err := json.Marshal(recordedRefusal{s.fingerprint, f.Kind.Status(), f.Type, f.Detail, f.Fields, f.Members})
	if err != nil {
		return err
	}
	// Two requests at once differ only if the cart changes between them. Then the later refusal is stored.
	if err := p.State.Put(ctx, refusalKey(s.orderID), value, "", sidecar.TTL(refusalTTL)); err != nil {
		telemetry.Log(ctx).Warn().Err(err).Msg("cannot store a refusal: a repetition of the request may get another answer")
	}
	return why
}
