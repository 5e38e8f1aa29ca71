// Package lifecycle completes the duties of placed orders (order.Duties) after their requests have ended: it decides
// undecided orders, captures and ships parcels, refunds returns, and frees the money and the stock of cancelled goods.
// A durable workflow for each order, whose id is the order's, decides when.
//
// Each name is the function that does the step:
//
//	Lifecycle.StartFromLog       starts and notifies workflows as the orders log grows
//	Lifecycle.EnsureRunning      starts or notifies the workflow of one order
//	Lifecycle.orderLifecycle     the workflow: completes the duties, waits for a change or a deadline, and repeats
//	Lifecycle.advanceOrder       the workflow's activity
//	Lifecycle.CompleteDuties     completes all duties that an order has now
//	  placement.Decider.Decide   advances an undecided order
//	  Lifecycle.captureShipment  captures a parcel's share and ships it
//	  Lifecycle.releaseEnded     voids the payment and releases the stock of cancelled goods
//	  Lifecycle.refundReturn     refunds a received return and restocks it
//	  Lifecycle.payRefund        pays a refund
//
// A request that changes an order calls CompleteDuties itself, so most of the time the workflow finds nothing to do.
package lifecycle

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/payments"
	"haberdash/apps/orders/service/placement"
	"haberdash/apps/orders/service/stock"
	"haberdash/internal/sidecar"
)

// Options of a Lifecycle.
type Options struct {
	State             sidecar.State // of the orders that are set aside
	Workflows         sidecar.Workflows
	Orders            *orderlog.Repository
	ReadModel         *readmodel.Orders
	Decider           *placement.Decider
	Stock             *stock.Client
	Payments          *payments.Client
	PlacementBusy     func() bool // reports whether orders are being placed
	Now               func() time.Time
	Deadline          time.Duration // the age from which the workflow decides an undecided order
	AuthorisationLife time.Duration // what is not shipped by then is cancelled
	ReturnsFor        time.Duration // for how long after its last change a shipped order may be returned
	Metrics           prometheus.Registerer
}

// Lifecycle completes the duties of orders. It is safe for concurrent use.
type Lifecycle struct {
	Options
	aside *aside
	owed  *owed
}

// New makes a lifecycle. Register its workflow, and run StartFromLog.
func New(o Options) *Lifecycle {
	l := &Lifecycle{o, newAside(o.State), newOwed()}
	l.measure(o.Metrics)
	return l
}

// reasonExpired is the recorded reason for which an order or its rest ended.
const reasonExpired = "authorization-expired"

// expired reports whether the authorisation of an order is too old for the goods that are still to be shipped. A parcel
// that is about to be captured is completed first.
func (l *Lifecycle) expired(o order.Order) bool {
	return o.AwaitsShipment() && len(o.Duties().Fulfilments) == 0 && !l.Now().Before(o.PlacedAt.Add(l.AuthorisationLife))
}

// finished reports whether nothing more is expected of an order.
func (l *Lifecycle) finished(o order.Order) bool { return o.Finished(l.Now(), l.ReturnsFor) }

// endExpired ends what is not shipped of an order whose authorisation has expired.
func (l *Lifecycle) endExpired(ctx context.Context, o order.Order) (order.Order, uint64, error) {
	return l.Orders.EndUnshipped(ctx, o.OrderID, reasonExpired)
}
