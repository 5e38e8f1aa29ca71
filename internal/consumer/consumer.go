package consumer

import (
	"context"
	"slices"
	"sync"
	"time"

	"haberdash/internal/consumer/consumerstore"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/strictjson"
)

// Log names a log of another app.
type Log = consumerstore.Log

// DeadLetter is an event that could not be handled.
type DeadLetter = consumerstore.DeadLetter

// Bookmark is a position in the list of dead letters.
type Bookmark = consumerstore.Bookmark

func logOf(e contract.Event) Log { return Log{Source: e.Source, Partition: e.Partition} }

// Fetch reads a page of a log's feed: the events from position from on, at most limit.
type Fetch func(ctx context.Context, log Log, from uint64, limit int) (contract.FeedPage, error)

// Options of a Consumer.
type Options struct {
	State    sidecar.State
	Fetch    Fetch
	Handlers map[string]Handler      // by event type; events of other types are ignored
	Batches  map[string]BatchHandler // by event type, in addition to the Handler of that type
	Logs     []Log                   // see Follow
	// PollEvery is the time between two polls of a feed; 3 s if zero.
	PollEvery time.Duration
	// StoreEvery is the minimum time between two writes of a cursor; 200 ms if zero.
	StoreEvery time.Duration
	// GiveUpAfter is how long an event may fail before it becomes a dead letter although the broker has not delivered
	// it to the dead-letter topic; 10 min if zero. It must be longer than all attempts of the broker: see DeliverDead.
	GiveUpAfter time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Consumer applies the events of other apps' logs to one app: see the package comment. It is safe for concurrent use.
type Consumer struct {
	o       Options
	store   consumerstore.Store
	metrics *metrics

	mu      sync.Mutex
	readers map[Log]*logReader
}

// New creates a consumer. Subscribe makes it handle deliveries; Run polls feeds and stores cursors.
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
	c := &Consumer{o: o, store: consumerstore.New(o.State), readers: map[Log]*logReader{}}
	c.Follow(o.Logs...)
	return c
}

// Follow adds logs. The consumer also discovers logs by their events: it adds a log when the broker delivers one of its
// events for the first time.
func (c *Consumer) Follow(logs ...Log) {
	for _, r := range c.addListed(logs) {
		r.setFollowed()
	}
}

// addListed adds logs that need not be added to the stored list, and returns their readers.
func (c *Consumer) addListed(logs []Log) (readers []*logReader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, log := range logs {
		if c.readers[log] == nil {
			c.readers[log] = newLogReader(c, log)
		}
		c.readers[log].setListed()
		readers = append(readers, c.readers[log])
	}
	return readers
}

// Subscribe registers the consumer for topics, and for the dead-letter topic of the app.
func (c *Consumer) Subscribe(events sidecar.Subscriber, deadLetterTopic string, topics ...string) {
	for _, topic := range topics {
		events.Subscribe(topic, c.Deliver)
	}
	events.Subscribe(deadLetterTopic, c.DeliverDead)
}

// Deliver handles deliveries of the app's topics. It never returns Drop, because an event that cannot be handled
// becomes a dead letter.
func (c *Consumer) Deliver(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
	return c.deliver(ctx, deliveries, false)
}

// DeliverDead handles deliveries of the app's dead-letter topic, whose attempts the broker has used up. It tries these
// events, and those before them in their log, once more. An event that fails again becomes a dead letter, so that it
// does not stop its log forever.
func (c *Consumer) DeliverDead(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
	return c.deliver(ctx, deliveries, true)
}

// arrival is an event that was delivered.
type arrival struct {
	index    int // in the list of deliveries
	delivery sidecar.Delivery
	event    contract.Event
}

// maxName bounds the names in an event, which become parts of keys and of logs.
const maxName = 1000

// complete reports whether an event has an id, a type and a source, and names of a sensible length.
func complete(e contract.Event) bool {
	for _, name := range []string{e.ID, e.Type, e.Source, e.Partition, e.Aggregate} {
		if len(name) > maxName {
			return false
		}
	}
	return e.ID != "" && e.Type != "" && e.Source != ""
}

// deliver handles deliveries log by log. If lastAttempt is true, an event that fails becomes a dead letter.
func (c *Consumer) deliver(ctx context.Context, deliveries []sidecar.Delivery, lastAttempt bool) []sidecar.Outcome {
	outcomes := slices.Repeat([]sidecar.Outcome{sidecar.Retry}, len(deliveries))
	byLog := map[Log][]arrival{}
	for i, d := range deliveries {
		a := arrival{index: i, delivery: d}
		err := strictjson.Unmarshal(d.Data, &a.event)
		switch {
		case err != nil || !complete(a.event):
			outcomes[i] = c.refuseInvalid(ctx, d)
		case a.event.Position == 0:
			outcomes[i] = c.handleUnpositioned(ctx, a, lastAttempt)
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
