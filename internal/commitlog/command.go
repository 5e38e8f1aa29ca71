package commitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/telemetry"
)

// command is a call of Do that waits for the writer.
type command[S any] struct {
	ids    []string
	decide func(*Tx[S]) error
	origin origin
	status atomic.Int32
	events []Event // that the command has emitted, once it is answered
	commit uint64
	err    error
	done   chan struct{} // closed when commit and err are set
}

// origin tells where a command comes from. Its events keep it, so that whoever handles them continues there.
type origin struct {
	trace   string // the traceparent of the caller, if its trace is recorded
	baggage string
}

func originOf(ctx context.Context) origin {
	return origin{trace: telemetry.RecordedParent(ctx), baggage: telemetry.Baggage(ctx)}
}

// Status of a command. A queued command is either accepted by the writer or abandoned by its caller, never both: so
// decide is not called after Do has returned.
const (
	commandQueued int32 = iota
	commandAccepted
	commandAbandoned
)

// Do decides a command and commits the events that it emits, all of them or none. decide sees the aggregates that ids
// names (all, if the partition is Resident). It is pure and may be called several times. An error from it refuses the
// command, and Do returns that error as it is. The result is the number of the command's commit, or, without events, of
// the commit after which it was decided.
//
// Other errors: ErrUnknown (the command may have been committed); ErrTooLarge, ErrClosed, ErrNewer, ErrCorrupt and
// ctx.Err() (it was not). When ctx ends while the command is being committed, Do waits for the outcome. decide is not
// called after Do has returned.
func (p *Partition[S]) Do(ctx context.Context, ids []string, decide func(*Tx[S]) error) (uint64, error) {
	ctx, span := telemetry.Start(ctx, "commit "+p.name, trace.SpanKindInternal)
	defer span.End()
	defer p.metrics.observeWait(time.Now())
	c := &command[S]{ids: ids, decide: decide, origin: originOf(ctx), done: make(chan struct{})}
	n, err := p.await(ctx, c)
	if err == nil && p.opts.Committed != nil && len(c.events) > 0 {
		p.opts.Committed(ctx, c.events)
	}
	return n, err
}

// await has the writer process a command, and waits for its answer.
func (p *Partition[S]) await(ctx context.Context, c *command[S]) (uint64, error) {
	select {
	case <-p.quit:
		return 0, ErrClosed
	default:
	}
	select {
	case p.queue <- c:
	case <-p.quit:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case <-c.done:
		return c.commit, c.err
	case <-p.ended:
		select {
		case <-c.done:
			return c.commit, c.err
		default:
			return 0, ErrClosed
		}
	case <-ctx.Done():
		if c.status.CompareAndSwap(commandQueued, commandAbandoned) {
			return 0, ctx.Err()
		}
		<-c.done
		return c.commit, c.err
	}
}

// accept tells whether the command is to be decided, because its caller still waits for it. From then on it waits until
// the command is answered.
func (c *command[S]) accept() bool {
	return c.status.CompareAndSwap(commandQueued, commandAccepted) || c.status.Load() == commandAccepted
}

// answer gives the command's caller the result.
func (c *command[S]) answer(commit uint64, err error) {
	c.commit, c.err = commit, err
	close(c.done)
}

// Tx is the view that a command has of its aggregates, and collects the events that it emits. It is valid until decide
// returns.
type Tx[S any] struct {
	partition *Partition[S]
	earlier   map[string]*aggregate[S] // aggregates that earlier commands of the batch changed
	changed   map[string]*aggregate[S] // aggregates that this command changed
	events    []Event
	bytes     int // about the size of the events in the commit
	now       time.Time
	origin    origin // of the command
	err       error
}

// State is the aggregate's state after all events so far, including those of this command. seq is the number of its
// last event, 0 if it has none.
func (t *Tx[S]) State(id string) (s S, seq uint64) {
	a, _ := t.find(id)
	if a == nil {
		return s, 0
	}
	return a.state, a.seq
}

// Last is the number of the aggregate's last event, 0 if it has none, and the commit of that event. An event of this
// command, or of an earlier one that is decided with it, belongs to the commit that Do returns.
func (t *Tx[S]) Last(id string) (seq, commit uint64) {
	a, uncommitted := t.find(id)
	switch {
	case a == nil:
		return 0, 0
	case uncommitted:
		return a.seq, t.partition.head + 1
	}
	return a.seq, a.commit
}

// Now is the time of the command's events: UTC, to the millisecond.
func (t *Tx[S]) Now() time.Time { return t.now }

// Emit adds an event. data is encoded as JSON.
func (t *Tx[S]) Emit(id, eventType string, data any) { t.addEvent(id, eventType, data, false) }

// EmitInternal adds an internal event: it is applied like any other, but not published.
func (t *Tx[S]) EmitInternal(id, eventType string, data any) { t.addEvent(id, eventType, data, true) }

// find returns an aggregate as it is after all events so far, or nil if it is not in memory. uncommitted is true if the
// last event is not committed yet; aggregate.commit is then the commit before it.
func (t *Tx[S]) find(id string) (a *aggregate[S], uncommitted bool) {
	if a, ok := t.changed[id]; ok {
		return a, true
	}
	if a, ok := t.earlier[id]; ok {
		return a, true
	}
	return t.partition.warm[id], false
}

func (t *Tx[S]) addEvent(id, eventType string, data any, internal bool) {
	raw, err := json.Marshal(data)
	if err != nil {
		t.err = fmt.Errorf("encode %s: %w", eventType, err)
		return
	}
	model := t.partition.model
	e := Event{
		Aggregate: id, Seq: 1, Type: eventType, Version: model.Upcasters.latest(eventType), At: t.now, Data: raw,
		Internal: internal, Trace: t.origin.trace, Baggage: t.origin.baggage,
	}
	var before aggregate[S]
	if a, _ := t.find(id); a != nil {
		before = *a
		e.Seq, e.Prev = a.seq+1, a.commit
	}
	state, err := model.Apply(id, before.state, e)
	if err != nil {
		t.err = fmt.Errorf("apply %s: %w", eventType, err)
		return
	}
	t.changed[id] = &aggregate[S]{state: state, seq: e.Seq, commit: before.commit, dirty: true}
	t.events = append(t.events, e)
	t.bytes += len(raw) + len(id) + len(eventType) + len(t.origin.trace) + len(t.origin.baggage) + 96
}
