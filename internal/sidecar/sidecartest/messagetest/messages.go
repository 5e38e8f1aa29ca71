// Package messagetest is the conformance suite of sidecar.Publisher and sidecar.Subscriber.
package messagetest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// timeout is how long a delivery may take. The first one takes long, because the consumer group of the broker starts.
const timeout = 60 * time.Second

const orderCase = "messages of one key arrive in order"

// TestMessages checks sidecar.Publisher and sidecar.Subscriber together. open makes an app, passes its subscriber to
// subscribe, starts the app and returns a publisher. The topics are orders and users. ordered means that the broker
// delivers the messages of one key in order; with another broker, a consumer must restore the order itself.
func TestMessages(
	t *testing.T, ordered bool, open func(t *testing.T, subscribe func(sidecar.Subscriber)) sidecar.Publisher,
) {
	in := &receiver{arrivals: map[string][]arrival{}}
	in.changed = sync.NewCond(&in.mu)
	in.run = rand.Text() + "/"
	opened := open(t, func(s sidecar.Subscriber) {
		s.Subscribe(contract.TopicOrders, func(ctx context.Context, deliveries []sidecar.Delivery) []sidecar.Outcome {
			outcomes := sidecar.Each(in.handle)(ctx, deliveries)
			if i := slices.Index(outcomes, silent); i >= 0 {
				return outcomes[:i]
			}
			return outcomes
		})
		s.Subscribe(contract.TopicUsers, sidecar.Each(in.handle))
	})
	publisher := marking{opened, in.run}
	for _, c := range []struct {
		name string
		run  func(t *testing.T, p sidecar.Publisher, in *receiver)
	}{
		{"every message arrives unchanged", everyMessage},
		{"large messages arrive, however many", largeMessages},
		{orderCase, keyOrder},
		{"a delivery is repeated until its outcome is Done", redelivery},
		{"a dropped message is not delivered again", dropped},
		{"messages that arrive together have different outcomes", together},
		{"a delivery without an outcome is repeated", unanswered},
		{"the trace arrives", traceArrives},
		{"an ended context is an error", func(t *testing.T, p sidecar.Publisher, _ *receiver) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.Error(t, p.Publish(ctx, contract.TopicOrders, []sidecar.Message{{ID: "x", Data: []byte("{}")}}))
		}},
	} {
		if c.name == orderCase && !ordered {
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(t, publisher, in) })
	}
}

// marking marks the ids of messages, so that a run does not take those of an earlier one for its own.
type marking struct {
	sidecar.Publisher
	run string
}

func (m marking) Publish(ctx context.Context, topic string, messages []sidecar.Message) error {
	messages = slices.Clone(messages)
	for i := range messages {
		messages[i].ID = m.run + messages[i].ID
	}
	return m.Publisher.Publish(ctx, topic, messages)
}

type arrival struct {
	order int // number of this arrival among all
	topic string
	data  string
	trace string
}

// receiver handles the deliveries and records them. The payload of a message determines the outcome.
type receiver struct {
	run      string // the mark of the ids
	mu       sync.Mutex
	changed  *sync.Cond
	arrivals map[string][]arrival // by message id, without the mark
	n        int
}

type payload struct {
	N       int    `json:"n"`
	Retries int    `json:"retries,omitempty"`
	Drop    bool   `json:"drop,omitempty"`
	Silent  bool   `json:"silent,omitempty"` // no outcome for the first delivery
	Filler  string `json:"filler,omitempty"`
}

// silent is the outcome that the handler leaves out.
const silent sidecar.Outcome = -1

func (in *receiver) handle(ctx context.Context, d sidecar.Delivery) sidecar.Outcome {
	var p payload
	id, ofThisRun := strings.CutPrefix(d.ID, in.run)
	if json.Unmarshal(d.Data, &p) != nil || !ofThisRun {
		return sidecar.Drop
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.n++
	in.arrivals[id] = append(in.arrivals[id], arrival{in.n, d.Topic, string(d.Data), telemetry.TraceID(ctx)})
	in.changed.Broadcast()
	switch {
	case p.Drop:
		return sidecar.Drop
	case p.Silent && len(in.arrivals[id]) == 1:
		return silent
	case len(in.arrivals[id]) <= p.Retries:
		return sidecar.Retry
	}
	return sidecar.Done
}

// wait returns the arrivals of a message once there are count.
func (in *receiver) wait(t *testing.T, id string, count int) []arrival {
	t.Helper()
	late := time.AfterFunc(timeout, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.changed.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(timeout)
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.arrivals[id]) < count {
		require.True(t, time.Now().Before(deadline), "%s arrived %d times of %d", id, len(in.arrivals[id]), count)
		in.changed.Wait()
	}
	return append([]arrival(nil), in.arrivals[id]...)
}

func message(prefix string, n int, key string, p payload) sidecar.Message {
	p.N = n
	data, _ := json.Marshal(p)
	return sidecar.Message{ID: fmt.Sprintf("%s/%d", prefix, n), Key: key, Data: data}
}

// publish sends messages in one call.
func publish(t *testing.T, p sidecar.Publisher, messages ...sidecar.Message) {
	t.Helper()
	require.NoError(t, p.Publish(t.Context(), contract.TopicOrders, messages))
}

func everyMessage(t *testing.T, p sidecar.Publisher, in *receiver) {
	next := 0
	var sent []sidecar.Message
	for _, size := range []int{1, 250, 0, 2, 100} {
		var batch []sidecar.Message
		for range size {
			batch = append(batch, message("every", next, fmt.Sprint("key", next%7), payload{}))
			next++
		}
		sent = append(sent, batch...)
		publish(t, p, batch...)
	}
	other := []sidecar.Message{message("user", 1, "u", payload{})}
	require.NoError(t, p.Publish(t.Context(), contract.TopicUsers, other))
	for _, m := range sent {
		a := in.wait(t, m.ID, 1)[0]
		require.Equal(t, contract.TopicOrders, a.topic)
		require.JSONEq(t, string(m.Data), a.data)
	}
	require.Equal(t, contract.TopicUsers, in.wait(t, "user/1", 1)[0].topic)
}

// largeMessages publishes more in one call than a message between app and sidecar may have.
func largeMessages(t *testing.T, p sidecar.Publisher, in *receiver) {
	var sent []sidecar.Message
	for i := range 24 {
		sent = append(sent, message("large", i, "k", payload{Filler: strings.Repeat("x", 256<<10)}))
	}
	publish(t, p, sent...)
	for _, m := range sent {
		require.Len(t, in.wait(t, m.ID, 1)[0].data, len(m.Data))
	}
}

func keyOrder(t *testing.T, p sidecar.Publisher, in *receiver) {
	const n = 300
	for from := 0; from < n; from += 30 {
		var batch []sidecar.Message
		for i := from; i < from+30; i++ {
			batch = append(batch, message("order", i, fmt.Sprint("key", i%3), payload{}))
		}
		publish(t, p, batch...)
	}
	last := map[string]int{}
	for i := range n {
		first, key := in.wait(t, fmt.Sprintf("order/%d", i), 1)[0], fmt.Sprint("key", i%3)
		require.Greater(t, first.order, last[key], "message %d", i)
		last[key] = first.order
	}
}

func redelivery(t *testing.T, p sidecar.Publisher, in *receiver) {
	publish(t, p, message("again", 0, "k", payload{Retries: 2}), message("again", 1, "k", payload{}))
	for _, a := range in.wait(t, "again/0", 3) {
		require.JSONEq(t, `{"n":0,"retries":2}`, a.data)
	}
	in.wait(t, "again/1", 1)
}

func dropped(t *testing.T, p sidecar.Publisher, in *receiver) {
	publish(t, p, message("drop", 0, "k", payload{Drop: true}))
	in.wait(t, "drop/0", 1)
	publish(t, p, message("drop", 1, "k", payload{}))
	in.wait(t, "drop/1", 1) // the dropped message does not block it
	require.Len(t, in.wait(t, "drop/0", 1), 1)
}

func together(t *testing.T, p sidecar.Publisher, in *receiver) {
	var batch []sidecar.Message
	for i := range 60 {
		batch = append(batch, message("together", i, "k", payload{Retries: i % 3, Drop: i%10 == 9}))
	}
	publish(t, p, batch...)
	for i, m := range batch {
		if i%10 == 9 {
			in.wait(t, m.ID, 1)
		} else {
			in.wait(t, m.ID, 1+i%3)
		}
	}
}

func unanswered(t *testing.T, p sidecar.Publisher, in *receiver) {
	publish(t, p, message("silent", 0, "k", payload{Silent: true}))
	in.wait(t, "silent/0", 2)
}

func traceArrives(t *testing.T, p sidecar.Publisher, in *receiver) {
	ctx, span := telemetry.Enter(t.Context(), "publish", telemetry.Entry{})
	defer span.End()
	const other = "0af7651916cd43dd8448eb211c80319c"
	sent := []sidecar.Message{message("trace", 0, "k", payload{}), message("trace", 1, "k", payload{})}
	sent[1].TraceParent = "00-" + other + "-b7ad6b7169203331-01"
	require.NoError(t, p.Publish(ctx, contract.TopicOrders, sent))
	require.Equal(t, telemetry.TraceID(ctx), in.wait(t, "trace/0", 1)[0].trace)
	require.Equal(t, other, in.wait(t, "trace/1", 1)[0].trace, "a message may have a trace of its own")
}
