package lifecycle

import (
	"sync"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/readmodel"
)

// owed knows the orders that owe a step (order.Duties), for the metrics. It never reads the store: it follows the log
// from the cursor of the starter on, and a workflow tells it of an older order that it finds owing something. So after
// a restart it knows an order whose workflow had started before when that workflow tries again, after at most half a
// minute.
//
// It does not count the steps of an order: an order whose first step is done is left out until its next step fails.
type owed struct {
	mu      sync.Mutex
	orders  map[string]owing
	loading bool               // the backlog is being read
	later   []readmodel.Change // changes that came while loading; they may be newer than the next one of the backlog
}

// owing is an order that owes a step.
type owing struct {
	since     time.Time
	undecided bool
	expected  bool // it is being read: see expect
}

func newOwed() *owed { return &owed{orders: map[string]owing{}} }

// note notes a new change of the log.
func (w *owed) note(c readmodel.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.loading {
		w.later = append(w.later, c)
		return
	}
	w.apply(c)
}

// startLoading begins to keep new changes back, until loaded is called.
func (w *owed) startLoading() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loading = true
}

// noteOld notes a change of the backlog.
func (w *owed) noteOld(c readmodel.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.apply(c)
}

// loaded applies the changes that came while the backlog was read.
func (w *owed) loaded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.later {
		w.apply(c)
	}
	w.loading, w.later = false, nil
}

func (w *owed) apply(c readmodel.Change) {
	switch {
	case c.Placed:
		w.orders[c.Order] = owing{since: c.At, undecided: true}
	case c.Duty:
		w.orders[c.Order] = owing{since: c.At}
	case c.Decided, c.Done:
		delete(w.orders, c.Order)
	}
}

// expect says that an order is about to be read. A change of it from then on is newer than what is read.
func (w *owed) expect(orderID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.orders[orderID]; !known {
		w.orders[orderID] = owing{expected: true}
	}
}

// found notes an order as it was read after expect, unless the log has told more of it since.
func (w *owed) found(orderID string, o order.Order, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	duties := o.Duties()
	switch {
	case !w.orders[orderID].expected:
	case err != nil, !duties.Any():
		delete(w.orders, orderID)
	case duties.Decide:
		w.orders[orderID] = owing{since: o.PlacedAt, undecided: true}
	default:
		w.orders[orderID] = owing{since: o.ChangedAt}
	}
}

// count returns how many orders owe a step, how many of them are undecided, and since when the oldest of these is.
func (w *owed) count() (all, undecided int, oldest time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.orders {
		if o.expected {
			continue
		}
		all++
		if !o.undecided {
			continue
		}
		if undecided++; undecided == 1 || o.since.Before(oldest) {
			oldest = o.since
		}
	}
	return all, undecided, oldest
}
