package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// aside are the orders whose workflow the engine refuses, for example because its stored history is damaged. They are
// set aside, so that the orders after them get their workflows, and are tried again every minute. The list is stored,
// because the cursor of the starter is behind them.
type aside struct {
	store sidecar.State

	mu       sync.Mutex
	orders   map[string]bool
	attempts map[string]attempts // that failed, by order; only of orders that are not set aside
	accepted uint64              // how often the engine has accepted something for any order
}

// attempts are attempts in a row that failed for one order.
type attempts struct {
	n     int
	since uint64 // aside.accepted at the first of them
}

// asideKey is the key of the stored list.
const asideKey = "lifecycles/aside"

// asideList is the stored list.
type asideList struct {
	Orders []string `json:"orders"`
}

const (
	// attemptsBeforeAside is how often the engine must refuse an order's workflow before the order is set aside.
	attemptsBeforeAside = 4
	// maxAside bounds the list. If there are more, the engine has a fault, and not the orders.
	maxAside = 1000
	// retryAsideEvery is the time between two attempts for the orders that are set aside.
	retryAsideEvery = time.Minute
)

func newAside(store sidecar.State) *aside {
	return &aside{store: store, orders: map[string]bool{}, attempts: map[string]attempts{}}
}

// SetAside lists the orders whose workflow the engine refuses.
func (l *Lifecycle) SetAside() []string { return l.aside.list() }

func (a *aside) list() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.orders))
}

// load adds the stored list. A damaged one is logged: the orders after the cursor can have their workflows without it.
func (a *aside) load(ctx context.Context) error {
	var list asideList
	_, err := sidecar.ReadJSON(ctx, a.store, asideKey, &list)
	switch {
	case errors.Is(err, sidecar.ErrCorrupt):
		telemetry.Log(ctx).Error().Err(err).Msg("the list of the orders that are set aside cannot be read, " +
			"their lifecycles start with their next changes")
	case err != nil:
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range list.Orders {
		a.orders[id] = true
	}
	return nil
}

// attempted notes an attempt for an order, and reports whether so many in a row have failed that the order may be set
// aside.
func (a *aside) attempted(orderID string, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.accepted++
		delete(a.attempts, orderID)
		return false
	}
	of, failedBefore := a.attempts[orderID]
	if !failedBefore {
		of.since = a.accepted
	}
	of.n++
	a.attempts[orderID] = of
	return of.n >= attemptsBeforeAside
}

// acceptsOthers reports whether the engine has accepted something for another order since the attempts for this one
// began.
func (a *aside) acceptsOthers(orderID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.accepted > a.attempts[orderID].since
}

// has reports whether an order is set aside.
func (a *aside) has(orderID string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders[orderID]
}

var errTooManyAside = errors.New("too many orders are set aside")

// add stores that an order is set aside.
func (a *aside) add(ctx context.Context, orderID string) error {
	_, err := sidecar.Update(ctx, a.store, asideKey, func(list *asideList, _ bool) (bool, error) {
		switch {
		case slices.Contains(list.Orders, orderID):
			return false, nil
		case len(list.Orders) >= maxAside:
			return false, errTooManyAside
		}
		list.Orders = append(list.Orders, orderID)
		return true, nil
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.orders[orderID] = true
	delete(a.attempts, orderID)
	return nil
}

// remove removes an order from the list.
func (a *aside) remove(ctx context.Context, orderID string) error {
	_, err := sidecar.Update(ctx, a.store, asideKey, func(list *asideList, _ bool) (bool, error) {
		before := len(list.Orders)
		list.Orders = slices.DeleteFunc(list.Orders, func(id string) bool { return id == orderID })
		return len(list.Orders) < before, nil
	})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.orders, orderID)
	return nil
}

// tryOrSetAside calls do for an order that is not set aside. If do has failed several times in a row although the
// engine accepts others, the order is set aside, and there is no error.
func (s *starter) tryOrSetAside(ctx context.Context, orderID string, do func(context.Context, string) error) error {
	if s.aside.has(orderID) {
		return nil // see retryAside
	}
	err := do(ctx, orderID)
	if ctx.Err() != nil {
		return err
	}
	if !s.aside.attempted(orderID, err) || !(s.aside.acceptsOthers(orderID) || s.acceptsAnother(ctx, orderID)) {
		return err
	}
	if asideErr := s.aside.add(ctx, orderID); asideErr != nil {
		return fmt.Errorf("%w; set the order aside: %w", err, asideErr)
	}
	telemetry.Log(ctx).Error().Err(err).Str(field.Order, orderID).
		Msg("an order is set aside because the workflow engine refuses its lifecycle, will try again every minute")
	return nil
}

// acceptsAnother asks the engine for something that it must write for another instance, because the starter waits for
// this order and starts no others. The instance's workflow is that of an order that does not exist: it ends at once.
func (s *starter) acceptsAnother(ctx context.Context, orderID string) bool {
	id := probeID + "-" + orderID
	err := s.Workflows.Start(ctx, workflowName, id, workflowInput{id})
	return err == nil || errors.Is(err, sidecar.ErrExists)
}

// probeID begins the ids of instances with which acceptsAnother asks the engine. Ids of orders have no "-".
const probeID = "probe"

// retryAside tries again for the orders that are set aside, until ctx ends.
func (s *starter) retryAside(ctx context.Context) {
	tick := time.NewTicker(retryAsideEvery)
	defer tick.Stop()
	for {
		for _, orderID := range s.aside.list() {
			err := s.retry(ctx, orderID)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				telemetry.Log(ctx).Warn().Err(err).Str(field.Order, orderID).Msg("the lifecycle of an order is still refused")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// retry starts or notifies the workflow of an order that is set aside.
func (s *starter) retry(ctx context.Context, orderID string) error {
	s.owed.expect(orderID)
	o, _, err := s.Orders.Recent(ctx, orderID)
	s.owed.found(orderID, o, err)
	switch {
	case err != nil: // an order that cannot be read stays on the list
		return err
	case s.finished(o):
		err = s.notify(ctx, orderID)
	default:
		err = s.EnsureRunning(ctx, orderID)
	}
	if err != nil {
		return err
	}
	return s.aside.remove(ctx, orderID)
}
