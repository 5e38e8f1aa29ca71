package lifecycle

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/apps/orders/internal/readmodel"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// starter starts workflows as the orders log grows: one for each order that was placed. It notifies the workflow when
// the order has changed. Its cursor is stored, so after a crash it repeats what was interrupted.
//
// A workflow costs as much as placing the order, or more, so the starter waits while orders are being placed: it then
// starts two workflows a second, and more only as its backlog grows old. The backlog of a rush is processed when the
// rush is over; during a rush without end the starter stays some minutes behind. Only an order that still
// has a duty after its deadline gets its workflow before the starter reaches its change.
//
// An imported log has no cursor and no workflows. The starter then goes through all orders, with a read for each, and
// starts a workflow for each that is not finished.
type starter struct {
	*Lifecycle

	mu    sync.Mutex
	owing map[string]time.Time // orders with changes after the cursor that may have a duty, and since when
}

// cursorName names the stored cursor.
const cursorName = "lifecycle"

const (
	// minAge is how old a change is when it is processed. By then most requests have completed the duties of their
	// orders, and the workflow finds nothing to do.
	minAge = time.Second
	// maxWait is how long the starter waits at most for a pause in the traffic, for a new change. For a change that is n
	// minutes old it is maxWait/(n+1).
	maxWait = 500 * time.Millisecond
	// overdueEvery is the time between two searches for overdue orders.
	overdueEvery = time.Second
)

// StartFromLog starts and notifies the workflows of orders until ctx ends. It returns an error only if it cannot begin.
func (l *Lifecycle) StartFromLog(ctx context.Context) error {
	s := &starter{Lifecycle: l, owing: map[string]time.Time{}}
	l.owed.startLoading()
	err := l.ReadModel.SubscribeToChanges(ctx, func(c readmodel.Change) {
		s.noteChange(c)
		l.owed.note(c)
	})
	if err != nil {
		return err
	}
	err = l.ReadModel.Backlog(ctx, cursorName, func(c readmodel.Change) {
		s.noteChange(c)
		l.owed.noteOld(c)
	})
	if err != nil {
		return err
	}
	l.owed.loaded()
	if err := l.aside.load(ctx); err != nil {
		return err
	}
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { s.startOverdue(ctx) })
	work.Go(func() { s.retryAside(ctx) })
	l.ReadModel.ProcessDuties(ctx, cursorName, s.processChange)
	return nil
}

// noteChange notes which orders may owe something, of the changes between the cursor and the end of the log and of
// those to come.
func (s *starter) noteChange(c readmodel.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.Placed, c.Duty:
		s.owing[c.Order] = c.At
	case c.Decided:
		delete(s.owing, c.Order)
	}
}

// startOverdue starts the workflows of orders whose duties are overdue, before the starter reaches their changes.
func (s *starter) startOverdue(ctx context.Context) {
	tick := time.NewTicker(overdueEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for orderID, since := range s.overdue() {
			if err := s.startIfOwing(ctx, orderID, since); err != nil {
				telemetry.Log(ctx).Warn().Err(err).Str(field.Order, orderID).Msg("cannot start a lifecycle, will try again")
				break
			}
		}
	}
}

// overdue lists the orders that owe something for longer than Deadline, and since when.
func (s *starter) overdue() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	overdue := map[string]time.Time{}
	for orderID, since := range s.owing {
		if s.Now().Sub(since) >= s.Deadline {
			overdue[orderID] = since
		}
	}
	return overdue
}

// startIfOwing starts the order's workflow unless its duties are done.
func (s *starter) startIfOwing(ctx context.Context, orderID string, since time.Time) error {
	o, _, err := s.Orders.Recent(ctx, orderID)
	if err == nil && o.Duties().Any() {
		err = s.tryOrSetAside(ctx, orderID, s.EnsureRunning)
	}
	if err != nil && !s.unreadable(ctx, orderID, err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owing[orderID].Equal(since) { // otherwise it owes something new
		delete(s.owing, orderID)
	}
	return nil
}

// processChange handles the next change of the log.
func (s *starter) processChange(ctx context.Context, c readmodel.Change) error {
	if !wait(ctx, minAge-s.Now().Sub(c.At)) || !s.waitForPause(ctx, c.At) {
		return ctx.Err()
	}
	ctx, span := telemetry.StartBatch(ctx, "start lifecycle", trace.SpanKindInternal, c.Trace)
	defer span.End()
	o, _, err := s.Orders.Recent(ctx, c.Order) // memory has the change
	switch {
	case s.unreadable(ctx, c.Order, err):
		return nil
	case err != nil:
		return err
	case !s.finished(o):
		return s.tryOrSetAside(ctx, c.Order, s.EnsureRunning)
	case c.Placed: // most often rejected before its turn: it needs no workflow
		return nil
	}
	return s.tryOrSetAside(ctx, c.Order, s.notify) // a workflow that it has can end
}

// unreadable reports whether err says that the document of an order is damaged, and logs it. The order is passed over:
// otherwise those after it would wait for ever. Its workflow starts with its next change after the document is mended.
func (s *starter) unreadable(ctx context.Context, orderID string, err error) bool {
	if !errors.Is(err, sidecar.ErrCorrupt) {
		return false
	}
	telemetry.Log(ctx).Error().Err(err).Str(field.Order, orderID).
		Msg("an order cannot be read, its lifecycle is not started")
	return true
}

// waitForPause waits until no orders are being placed, for a time that is shorter for an older change. It reports
// whether ctx goes on.
func (s *starter) waitForPause(ctx context.Context, at time.Time) bool {
	age := max(s.Now().Sub(at), 0)
	most := time.Duration(float64(maxWait) / (1 + age.Minutes()))
	for end := time.Now().Add(most); s.PlacementBusy() && time.Now().Before(end); {
		if !wait(ctx, 10*time.Millisecond) {
			return false
		}
	}
	return ctx.Err() == nil
}

// wait waits for d, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
