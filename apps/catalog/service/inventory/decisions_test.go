package inventory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
)

// decisions makes the events of the orders log, from position 1 on.
type decisions struct{ n uint64 }

func (d *decisions) next(t *testing.T, typ, data string) sidecar.Message {
	t.Helper()
	d.n++
	return message(t, contract.Event{
		ID: contract.EventID("orders", "orders", d.n, 0), Type: typ, Source: "orders", Partition: "orders",
		Commit: d.n, Position: d.n, Aggregate: "order/o2", Data: json.RawMessage(data),
	})
}

func message(t *testing.T, e contract.Event) sidecar.Message {
	t.Helper()
	b, err := json.Marshal(e)
	require.NoError(t, err)
	return sidecar.Message{ID: e.ID, Data: b}
}

func (f *fixture) deadLetters() answer {
	return f.do(http.MethodGet, "/api/v1/dead-letters/catalog", "", "Authorization", "Test root admin")
}

func TestDecisionsOfOrdersCommitAndReleaseHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 10)
	for i := range 5 {
		f.reserve(fmt.Sprint("o", i), line("hat", 1))
	}
	var log decisions
	confirmed := log.next(t, contract.OrderConfirmed, `{"orderId":"o0"}`)
	require.NoError(t, f.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{confirmed, confirmed,
		log.next(t, contract.OrderPlaced, `{"orderId":"o1"}`),
		log.next(t, contract.OrderRejected, `{"reason":"declined"}`), // the aggregate names the order
		log.next(t, contract.OrderCancelled, `{"orderId":"o3"}`),
		log.next(t, contract.OrderConfirmed, `{"orderId":"o3"}`), // comes too late: o3 stays released
		log.next(t, contract.OrderConfirmed, `{"orderId":"never-held"}`),
		log.next(t, contract.OrderConfirmed, `[]`), {ID: "x", Data: []byte(`nonsense`)},
	}))
	f.level("hat", 10, 3)
	for order, want := range map[string]string{
		"o0": "committed", "o1": "held", "o2": "released", "o3": "released", "o4": "held",
	} {
		assert.Equal(t, want, f.status(order), order)
	}
	letters := f.deadLetters()
	assert.Len(t, letters.json["items"], 2, letters.raw)
	assert.Contains(t, letters.raw, "the event's data is not that of an order")
}

func TestManyDecisionsArriveAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 120
	f.receive("hat", n)
	var log decisions
	var messages []sidecar.Message
	for i := range n {
		order, decision := fmt.Sprint("o", i), contract.OrderConfirmed
		if i%40 >= 30 {
			decision = contract.OrderCancelled
		}
		f.reserve(order, line("hat", 1))
		messages = append(messages, log.next(t, decision, `{"orderId":"`+order+`"}`))
	}
	require.NoError(t, f.mesh.Publish(t.Context(), contract.TopicOrders, messages))
	f.level("hat", n, 90) // what is sold stays reserved until it is shipped
}

func TestDeadLettersOfADeletedUserAreDiscarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var log decisions
	require.NoError(t, f.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{
		log.next(t, contract.OrderConfirmed, `{"orderId":7,"customer":"u1"}`),
		log.next(t, contract.OrderConfirmed, `{"orderId":7,"customer":"u2"}`),
	}))
	require.Len(t, f.deadLetters().json["items"], 2)
	deleted := message(t, contract.Event{
		ID: "users/users/1/0", Type: contract.UserDeleted, Source: "users", Partition: "users", Position: 1,
		Data: json.RawMessage(`{"userId":"u1"}`),
	})
	require.NoError(t, f.mesh.Publish(t.Context(), contract.TopicUsers, []sidecar.Message{deleted}))
	require.Len(t, f.deadLetters().json["items"], 1)
}

// ordersHandler is the handler that was subscribed to the topic of orders.
type ordersHandler struct{ handle sidecar.Handler }

func (o *ordersHandler) Subscribe(topic string, h sidecar.Handler) {
	if topic == contract.TopicOrders {
		o.handle = h
	}
}

func TestADecisionThatCannotBeAppliedIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 10)
	f.reserve("o0", line("hat", 1))
	var subscribed ordersHandler
	f.service.Consumer.Subscribe(&subscribed, roster.DeadLetterTopic(roster.Catalog), contract.TopicOrders)
	var log decisions
	m := log.next(t, contract.OrderRejected, `{"orderId":"o0"}`)
	delivery := []sidecar.Delivery{{ID: m.ID, Data: m.Data}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, []sidecar.Outcome{sidecar.Retry}, subscribed.handle(ctx, delivery))
	f.level("hat", 10, 1)
	assert.Equal(t, []sidecar.Outcome{sidecar.Done}, subscribed.handle(t.Context(), delivery))
	f.level("hat", 10, 0)
}

func TestEventsOfTheStockArePublished(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.receive("hat", 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { // as the host does
		defer close(ended)
		f.logs[0].Publish(ctx, f.mesh, roster.StockLogs.Topic)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	published := func() bool { return len(f.mesh.Sent(contract.TopicStock)) == 1 }
	require.Eventually(t, published, 5*time.Second, 5*time.Millisecond)
	var e contract.Event
	require.NoError(t, json.Unmarshal(f.mesh.Sent(contract.TopicStock)[0].Data, &e))
	assert.Equal(t, []string{"stock.received", "sku/hat", "catalog/stock-main/1/0"}, []string{e.Type, e.Aggregate, e.ID})
}
