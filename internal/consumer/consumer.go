package consumer

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// Log names a log of another app. Partition is empty for a source that publishes events without a log.
type Log struct {
	Source    string `json:"source"`
	Partition string `json:"partition"`
}

func logOf(e contract.Event) Log { return Log{Source: e.Source, Partition: e.Partition} }

func (l Log) compare(m Log) int {
	return slices.Compare([]string{l.Source, l.Partition}, []string{m.Source, m.Partition})
}

// Fetch reads a page of a log's feed: the events from position from on, at most limit.
type Fetch func(ctx context.Context, log Log, from uint64, limit int) (contract.FeedPage, error)

// Options of a Consumer.
type Options struct {
	State    sidecar.State
	Fetch    Fetch
	Handlers map[string]Handler      // by event type; the cursor passes events of other types
	Batches  map[string]BatchHandler // by event type, beside the Handler of that type
	Logs     []Log                   // see Follow
	// PollEvery is the time between two questions for the head of a feed; 3 s if zero.
	PollEvery time.Duration
	// StoreEvery is the least time between two writes of a cursor; 200 ms if zero.
	StoreEvery time.Duration
	// GiveUpAfter is how long an event may fail before it becomes a dead letter although its deliveries were lost;
	// 10 min if zero. It must be longer than the broker's retries: see DeliverDead.
	GiveUpAfter time.Duration
	// Now is the clock that stamps dead letters; time.Now if nil.
	Now func() time.Time
}

// Consumer applies the events of other apps' logs to one app: see the package comment. It is safe for concurrent use.
type Consumer struct {
	o         Options
	onHandled func(e contract.Event)

	mu      sync.Mutex
	readers map[Log]*logReader
}

// New makes a consumer. It works once it is subscribed (Subscribe) and runs (Run).
func New(o Options) *Consumer {
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
	c := &Consumer{o: o, onHandled: func(contract.Event) {}, readers: map[Log]*logReader{}}
	c.Follow(o.Logs...)
	return c
}

// Follow consumes logs from the start. Any other log is consumed from its first delivery on.
func (c *Consumer) Follow(logs ...Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range logs {
		if c.readers[log] == nil {
			c.readers[log] = newLogReader(c, log)
		}
		c.readers[log].setListed()
	}
}

// OnHandled calls fn after a handler has handled an event. Call it before the first delivery.
func (c *Consumer) OnHandled(fn func(e contract.Event)) { c.onHandled = fn }

// Subscribe registers the consumer for topics, and for the dead-letter topic of the app.
func (c *Consumer) Subscribe(events sidecar.Subscriber, deadLetterTopic string, topics ...string) {
	for _, topic := range topics {
		events.Subscribe(topic, c.Deliver)
	}
	events.Subscribe(deadLetterTopic, c.DeliverDead)
}

// Deliver handles deliveries of the app's topics. It never answers Drop: an event that cannot be handled becomes a
// dead letter.
func (c *Consumer) Deliver(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
	return c.deliver(ctx, deliveries, false)
}

// DeliverDead handles deliveries of the app's dead-letter topic: the broker has used up their attempts. These events,
// and the events in front of them in their log, get one more attempt and then become dead letters, so that one event
// does not stop its log for ever.
func (c *Consumer) DeliverDead(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
	return c.deliver(ctx, deliveries, true)
}

// arrival is a delivered event.
type arrival struct {
	index    int // among the deliveries
	delivery sidecar.Delivery
	event    contract.Event
}

// deliver groups deliveries by log. lastAttempt says that an event that fails becomes a dead letter.
func (c *Consumer) deliver(ctx context.Context, deliveries []sidecar.Delivery, lastAttempt bool) []sidecar.Outcome {
	outcomes := slices.Repeat([]sidecar.Outcome{sidecar.Retry}, len(deliveries))
	byLog := map[Log][]arrival{}
	for i, d := range deliveries {
		a := arrival{index: i, delivery: d}
		err := json.Unmarshal(d.Data, &a.event)
		switch {
		case err != nil || a.event.ID == "" || a.event.Source == "" || a.event.Type == "":
			outcomes[i] = c.refuse(d.Within(ctx), unknownSource, eventOfInvalid(d), errInvalidDelivery)
		case a.event.Position == 0:
			outcomes[i] = c.handleUnpositioned(d.Within(ctx), a.event, lastAttempt)
		default:
			log := logOf(a.event)
			byLog[log] = append(byLog[log], a)
		}
	}
	for log, arrivals := range byLog {
		c.reader(ctx, log).handleDeliveries(ctx, arrivals, lastAttempt, outcomes)
	}
	return outcomes
}
