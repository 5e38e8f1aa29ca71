// Package placement places orders: from the request to the decision whether the order is confirmed or rejected.
//
// Each name is the function that does the step:
//
//	Placement.Validate        checks the request, beside the schema of the API
//	Placer.Place              finds the order of the idempotency key, or places it
//	Placer.prepare            reads the store while the cart is quoted
//	Placer.quoteCart          asks cart what the order costs
//	Placer.recordAndDecide    records the order in the log, undecided, and then decides it
//	Decider.Decide            reserves, authorises and commits the decision
//	Decider.reserveStock      asks catalog to reserve the goods
//	Decider.authorisePayment  asks the payment provider to reserve the money
//	Decider.confirm           commits the decision for the order
//	Decider.reject            commits the decision against it, after VoidPayment and ReleaseStock
//
// Each step is idempotent by the order's id. After a crash, any process can repeat them from the start: package
// lifecycle does so with Decide.
package placement

import (
	"context"
	"strings"
	"time"

	"haberdash/apps/orders/internal/ids"
	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/service/payments"
	"haberdash/apps/orders/service/privacy"
	"haberdash/internal/contract"
	"haberdash/internal/emailaddress"
	"haberdash/internal/failpoint"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Placement is a request to place an order, as the public API has it. Its fingerprint is stored with the order, so the
// names and the order of the fields must stay.
type Placement struct {
	CartID          string           `json:"cartId" minLength:"1" maxLength:"128"`
	Email           string           `json:"email" format:"email" maxLength:"254"`
	ShippingAddress contract.Address `json:"shippingAddress"`
	ShippingOption  string           `json:"shippingOption,omitempty" maxLength:"64"`
	Payment         PaymentMethod    `json:"payment"`
}

// PaymentMethod is how the buyer pays.
type PaymentMethod struct {
	Method string `json:"method" enum:"card"`
	Token  string `json:"token" minLength:"1" maxLength:"128" pattern:"^[!-~]+$" doc:"From the payment provider; card data never comes here"`
}

// Validate checks what the schema of the API does not: the format email of the schema also allows a display name, and
// addresses that no mail reaches. Problem: invalid-request (422).
func (p Placement) Validate() error {
	if strings.TrimSpace(p.Email) != p.Email {
		return fault.BadField("email", emailaddress.ErrForm.Error())
	}
	if _, err := emailaddress.Deliverable(p.Email); err != nil {
		return fault.BadField("email", err.Error())
	}
	return nil
}

// Preloader reads aggregates of the orders log before a command needs them, and further keys of the same store in the
// same call.
type Preloader interface {
	Preload(ctx context.Context, aggregates []string, keys ...string) (map[string]sidecar.Item, error)
}

// Options of a Placer.
type Options struct {
	State           sidecar.State   // stores refusals
	Apps            sidecar.Invoker // reaches cart
	Log             Preloader
	Orders          *orderlog.Repository
	Decider         *Decider
	Personal        *privacy.PersonalData
	IDs             ids.Deriver
	Now             func() time.Time
	Stages          *Stages
	ProviderTimeout time.Duration // for how long a request may wait for the payment provider
}

// Placer places orders. It is safe for concurrent use.
type Placer struct {
	Options
	traffic traffic
}

// NewPlacer makes a placer.
func NewPlacer(o Options) *Placer { return &Placer{Options: o} }

// Busy reports whether orders are being placed, here and at present.
func (p *Placer) Busy() bool { return p.traffic.busy() }

// Answer is what a request to place an order is answered with: the order, undecided if the payment provider has not
// answered yet, or a refusal.
type Answer struct {
	Order    order.Order
	Version  uint64
	Refusal  *fault.Error // why there is no confirmed order, if there is none
	Repeated bool         // an earlier request with the key got this answer
}

// submission is a request to place an order, and what identifies it. It is made once for each request.
type submission struct {
	orderID     string
	fingerprint string
	caller      identity.Caller
	request     Placement
}

// identify identifies a request. An idempotency key belongs to the customer, or to the cart of a guest, whose id is the
// guest's secret.
func (p *Placer) identify(ctx context.Context, key string, request Placement) submission {
	caller, owner := identity.Of(ctx), "cart/"+request.CartID
	if caller.Known() {
		owner = "user/" + caller.UserID
	}
	return submission{orderID: p.IDs.OrderID(owner, key), fingerprint: p.IDs.Fingerprint(request), caller: caller,
		request: request}
}

// errInProgress asks the caller to repeat the request later.
var errInProgress = fault.New(fault.Conflict, "request-in-progress",
	"The first request with this Idempotency-Key is still running.").After(time.Second)

// Place places an order, or answers for the order that the same key has placed before. A new order costs two
// invocations in sequence (cart, catalog), three commits (two here, one in catalog), three reads (one each, here
// beside the first invocation) and the time of the payment provider.
func (p *Placer) Place(ctx context.Context, key string, request Placement) (Answer, error) {
	defer p.traffic.begin()()
	s := p.identify(ctx, key, request)
	o, version, warm := p.Orders.Warm(s.orderID)
	if warm && o.Status != order.Placing {
		return p.answerExisting(ctx, o, version, s) // the first answer of a decided order never changes
	}
	release, claimed := p.Decider.Claim(s.orderID)
	if !claimed {
		return p.answerUnclaimed(ctx, s)
	}
	defer release()
	if warm {
		o, version, err := p.Orders.Get(ctx, s.orderID)
		if err != nil {
			return Answer{}, err
		}
		return p.answerExisting(ctx, o, version, s)
	}
	ready, refused, err := p.prepare(ctx, s)
	switch {
	case err != nil:
		return Answer{}, err
	case refused != nil:
		return p.answerWithoutOrder(ctx, s, *refused)
	}
	return p.recordAndDecide(ctx, s, ready)
}

// recordAndDecide records the order in the log, and decides it.
func (p *Placer) recordAndDecide(ctx context.Context, s submission, ready prepared) (Answer, error) {
	watch := stopwatch{running: true, since: time.Now()}
	contact, invoice, err := ready.keys.SealContact(s.orderID, s.request.Email, s.request.ShippingAddress)
	if err != nil {
		return Answer{}, err
	}
	intent := order.Request{Fingerprint: s.fingerprint, Token: s.request.Payment.Token, Contact: contact, Invoice: invoice}
	o, version, created, err := p.Orders.Place(ctx, s.orderOf(ready.quote), intent)
	watch.lap(p.Stages.record)
	switch {
	case err != nil:
		return Answer{}, p.recordRefusal(ctx, s, err)
	case !created:
		return p.answerExisting(ctx, o, version, s)
	}
	failpoint.Reach(afterIntent)
	return p.decide(ctx, o, version, s, FirstAttempt)
}

// decide decides a placed order and answers. The order is decided even if the buyer hangs up.
func (p *Placer) decide(ctx context.Context, o order.Order, version uint64, s submission,
	attempt Attempt) (Answer, error) {
	ctx = context.WithoutCancel(ctx)
	repeated := attempt == LaterAttempt
	decided, decidedVersion, err := p.Decider.Decide(ctx, o, attempt)
	switch {
	case payments.NoAnswer(err):
		telemetry.Log(ctx).Warn().Err(err).Str(field.Order, o.OrderID).
			Msg("the payment provider does not answer, the order stays undecided")
		return Answer{Order: o, Version: version, Repeated: repeated}, nil
	case err != nil:
		return Answer{}, err
	}
	failpoint.Reach(afterDecision)
	if decided.Rejection != nil && decided.Rejection.Reason == order.PriceChanged {
		p.renewCart(ctx, decided, s)
	}
	return answerFor(decided, decidedVersion, repeated), nil
}
