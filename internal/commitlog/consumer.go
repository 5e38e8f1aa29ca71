package commitlog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// Fetch reads a source's feed: the published events of one of its logs from position from on, at most limit.
type Fetch func(ctx context.Context, source, partition string, from uint64, limit int) (contract.FeedPage, error)

// LogName names a log of another app. The partition is empty for the events of a source that keeps none.
type LogName struct {
	Source    string `json:"source"`
	Partition string `json:"partition"`
}

func (l LogName) compare(m LogName) int {
	return slices.Compare([]string{l.Source, l.Partition}, []string{m.Source, m.Partition})
}

// ConsumerOptions are what a Consumer is made of.
type ConsumerOptions struct {
	State    sidecar.State
	Fetch    Fetch
	Handlers map[string]EventHandler // by event type; other events are passed over
	Batches  map[string]BatchHandler // a quicker way for several events of a type, where there is one
	// Logs are followed from the start. Any other is when its first event arrives.
	Logs []LogName
	// PollEvery is how often each log's head is asked for; 3 s if zero.
	PollEvery time.Duration
	// StoreEvery is how often a cursor that moves is stored, at most; 200 ms if zero.
	StoreEvery time.Duration
	// GiveUpAfter is how long an event whose deliveries were lost may fail before it is parked; 10 min if zero.
	// It is longer than the broker's attempts: see DeliverDead.
	GiveUpAfter time.Duration
	// Now is the clock that stamps what is parked; time.Now if nil.
	Now func() time.Time
}

// Consumer applies the events of other apps' logs to one app, each log's in its order: an event that is next is
// handled, one that is old is ignored, a gap is fetched from the feed first. Duplicates, reordering and losses of
// the broker are harmless for that, and so are restarts: the cursor of each log stands in the app's own store.
//
// The cursor is stored now and then, not with every event, and a delivery is acknowledged without it: what a
// crash takes back is fetched from the feed and handled again.
type Consumer struct {
	o ConsumerOptions

	handled func(e contract.Event)

	mu      sync.Mutex
	readers map[LogName]*reader
}

// NewConsumer makes a consumer; see Subscribe and Run.
func NewConsumer(o ConsumerOptions) *Consumer {
	if o.PollEvery == 0 {
		o.PollEvery = 3 * time.Second
	}
	if o.StoreEvery == 0 {
		o.StoreEvery = 200 * time.Millisecond
	}
	if o.GiveUpAfter == 0 {
		o.GiveUpAfter = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Consumer{o: o, readers: map[LogName]*reader{}}
	for _, log := range o.Logs {
		c.readers[log] = newReader(log)
		c.readers[log].known = true
	}
	return c
}

// Handled calls fn after each event for which there is a handler, and which that has handled. Say so before the
// first delivery.
func (c *Consumer) Handled(fn func(e contract.Event)) { c.handled = fn }

// Subscribe takes the app's deliveries of topics, and its dead letters.
func (c *Consumer) Subscribe(events sidecar.Subscriber, app string, topics ...string) {
	for _, topic := range topics {
		events.Subscribe(topic, c.Deliver)
	}
	events.Subscribe(contract.DeadLetters(app), c.DeliverDead)
}

// Deliver is the handler of the app's topics. It never drops: what cannot be handled is parked.
func (c *Consumer) Deliver(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
	return c.deliver(ctx, deliveries, false)
}

// DeliverDead is the handler of deliveries whose attempts are used up. They, and what stands in front of them in
// their log, get one more, then they are parked: one event does not hold up a log for ever.
func (c *Consumer) DeliverDead(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
	return c.deliver(ctx, deliveries, true)
}

type arrival struct {
	i     int
	from  sidecar.Delivery
	event contract.Event
}

func (c *Consumer) deliver(ctx context.Context, deliveries []sidecar.Delivery, last bool) []sidecar.Outcome {
	outcomes := slices.Repeat([]sidecar.Outcome{sidecar.Retry}, len(deliveries))
	batches := map[LogName][]arrival{}
	for i, d := range deliveries {
		a := arrival{i: i, from: d}
		err := json.Unmarshal(d.Data, &a.event)
		switch {
		case err != nil || a.event.ID == "" || a.event.Source == "" || a.event.Type == "":
			outcomes[i] = c.put(d.Within(ctx), strays, stray(d), errStray)
		case a.event.Position == 0:
			outcomes[i] = c.loose(d.Within(ctx), a.event, last)
		default:
			log := LogName{Source: a.event.Source, Partition: a.event.Partition}
			batches[log] = append(batches[log], a)
		}
	}
	for log, batch := range batches {
		c.read(ctx, c.reader(ctx, log), batch, last, outcomes)
	}
	return outcomes
}

// read takes a batch of one log's events. What the log has come to when it ends is done.
func (c *Consumer) read(ctx context.Context, r *reader, batch []arrival, last bool, outcomes []sidecar.Outcome) {
	if !r.take(ctx) {
		return
	}
	defer r.release()
	slices.SortStableFunc(batch, func(a, b arrival) int { return cmp.Compare(a.event.Position, b.event.Position) })
	err := c.load(ctx, r)
	alone := last || len(c.o.Batches) == 0
	events := eventsOf(batch)
	for i, a := range batch {
		if err == nil && !alone && a.event.Position == r.progress().Position+1 {
			_, failed := c.together(ctx, r, events[i:])
			alone = failed != nil
		}
		if err == nil {
			err = c.reach(a.from.Within(ctx), r, a.event, last)
		}
		if a.event.Position <= r.progress().Position {
			outcomes[a.i] = sidecar.Done
		}
	}
	if err != nil {
		telemetry.Log(ctx).Warn().Err(err).Str("source", r.log.Source).Str("partition", r.log.Partition).
			Uint64("position", r.progress().Position).Msg("events wait")
	}
	c.storeDue(ctx, r)
}

func eventsOf(batch []arrival) []contract.Event {
	events := make([]contract.Event, len(batch))
	for i, a := range batch {
		events[i] = a.event
	}
	return events
}

// reach handles the event, and before it what is missing up to it.
func (c *Consumer) reach(ctx context.Context, r *reader, e contract.Event, last bool) error {
	if e.Position > r.progress().Position+1 {
		if err := c.fetch(ctx, r, e.Position-1, last); err != nil {
			return err
		}
	}
	if e.Position <= r.progress().Position {
		return nil
	}
	return c.pass(ctx, r, e, last)
}

// fetchPage is how many events are fetched at once.
const fetchPage = 200

// fetch handles what the feed has up to a position, unless another replica has done so meanwhile.
func (c *Consumer) fetch(ctx context.Context, r *reader, upTo uint64, last bool) error {
	if err := c.reload(ctx, r); err != nil {
		return err
	}
	for at := r.progress().Position; at < upTo; at = r.progress().Position {
		page, err := c.o.Fetch(ctx, r.log.Source, r.log.Partition, at+1, int(min(upTo-at, fetchPage)))
		if err != nil {
			return fmt.Errorf("fetch what follows: %w", err)
		}
		if len(page.Events) == 0 {
			return fmt.Errorf("the feed ends at position %d", page.Head)
		}
		for i, e := range page.Events {
			if (LogName{Source: e.Source, Partition: e.Partition}) != r.log || e.Position != at+uint64(i)+1 {
				return fmt.Errorf("the feed gives %s at position %d", e.ID, at+uint64(i)+1)
			}
		}
		alone := last || len(c.o.Batches) == 0
		for rest := page.Events; len(rest) > 0; {
			if !alone {
				n, failed := c.together(ctx, r, rest)
				if alone = failed != nil; n > 0 {
					rest = rest[n:]
					continue
				}
			}
			if err := c.pass(ctx, r, rest[0], last); err != nil {
				return err
			}
			rest = rest[1:]
		}
	}
	return nil
}

// pass handles the event that is next, or parks it, and moves the cursor on.
func (c *Consumer) pass(ctx context.Context, r *reader, e contract.Event, last bool) error {
	err := c.handle(ctx, e)
	if err == nil {
		r.applied(e.Position)
		return nil
	}
	if !final(ctx, err, last) {
		r.failed(e.Position, c.o.Now())
		return fmt.Errorf("%s (%s): %w", e.ID, e.Type, err)
	}
	if err := c.park(ctx, r.log, e, err); err != nil {
		return err
	}
	r.passed(e.Position)
	return c.store(ctx, r)
}

// loose handles an event of a source without a log: as often as it is delivered, in no order.
func (c *Consumer) loose(ctx context.Context, e contract.Event, last bool) sidecar.Outcome {
	err := c.handle(ctx, e)
	switch {
	case err == nil:
		return sidecar.Done
	case final(ctx, err, last):
		return c.put(ctx, LogName{Source: e.Source}, e, err)
	}
	telemetry.Log(ctx).Warn().Err(err).Str("event", e.ID).Str("type", e.Type).Msg("event waits")
	return sidecar.Retry
}
