package service

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/cart/service/storage"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// handle calls the handler of confirmed orders.
func (f *fixture) handle(event contract.Event) error {
	f.t.Helper()
	return f.service.events.OrderConfirmed(f.t.Context(), event)
}

func confirmed(order string, a response) contract.Event {
	fact := contract.OrderFact{OrderID: order, CartID: a.Cart.ID, CartVersion: a.Cart.Version}
	for _, i := range a.Cart.Items {
		fact.Lines = append(fact.Lines, contract.OrderLine{SKU: i.SKU, Quantity: i.Quantity})
	}
	data, _ := json.Marshal(fact)
	return contract.Event{ID: "orders/orders/1/0", Type: contract.OrderConfirmed,
		Source: "orders", Partition: "orders", Data: data}
}

func TestAConfirmedOrderEmptiesItsCartOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	event := confirmed("o1", a)
	require.NoError(t, f.handle(event))
	b := f.requireOK(f.do("", "GET", path(a), "", nil))
	assert.Empty(t, b.Cart.Items)
	f.requireOK(f.do("", "PUT", path(a)+"/items/hat", b.Header.Get("ETag"), `{"quantity":2}`))
	require.NoError(t, f.handle(event))
	assert.Len(t, f.requireOK(f.do("", "GET", path(a), "", nil)).Cart.Items, 1, "the second delivery changes nothing")
}

func TestItemsAddedAfterTheOrderStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	f.requireOK(f.do("", "PUT", path(a)+"/items/hat", "*", `{"quantity":5}`))
	require.NoError(t, f.handle(confirmed("o1", a)))
	assert.EqualValues(t, 3, f.requireOK(f.do("", "GET", path(a), "", nil)).Cart.Items[0].Quantity)
}

func TestAnOrderOfAClaimedCartIsRemovedFromTheCustomersCart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.fill("ann", contract.Line{SKU: "tee-red-m", Quantity: 1})
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	f.requireOK(f.do("ann", "POST", path(a)+"/claim", "", nil))
	require.NoError(t, f.handle(confirmed("o1", a)))
	mine := f.requireOK(f.do("ann", "GET", "/api/v1/carts/mine", "", nil))
	require.Len(t, mine.Cart.Items, 1)
	assert.Equal(t, "tee-red-m", mine.Cart.Items[0].SKU)
}

func TestFailuresToRemoveAnOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	assert.NoError(t, f.handle(confirmed("o1", response{Cart: Cart{ID: "gone-gone-gone-gone"}})))
	wrong := confirmed("o1", a)
	wrong.Data = json.RawMessage(`{"orderId":7}`)
	assert.True(t, consumer.IsPermanent(f.handle(wrong)))
	f.state.setDown(true)
	err := f.handle(confirmed("o1", a))
	assert.Error(t, err)
	assert.False(t, consumer.IsPermanent(err), "an outage is temporary")
	f.state.setDown(false)
	assert.Len(t, f.requireOK(f.do("", "GET", path(a), "", nil)).Cart.Items, 1)
}

// A process that ends cancels its handlers. Their events are handled after the next start.
func TestACancelledHandlerIsNotAPermanentFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := f.service.events.OrderConfirmed(ctx, confirmed("o1", a))
	assert.ErrorIs(t, err, context.Canceled)
	assert.False(t, consumer.IsPermanent(err))
}

func TestAnOrderOfACartThatCannotBeDecodedIsAPermanentFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	require.NoError(t, f.state.Put(t.Context(), storage.Key(a.Cart.ID), []byte("["), ""))
	assert.True(t, consumer.IsPermanent(f.handle(confirmed("o1", a))))
}

// A broker may lose events: the missing ones are fetched from the feed.
func TestEventsAreHandledInTheOrderOfTheOrdersLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("", contract.Line{SKU: "hat", Quantity: 2})
	placed, done := confirmed("o1", a), confirmed("o1", a)
	placed.Type, placed.Position, done.Position = contract.OrderPlaced, 1, 2
	f.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(contract.FeedPage{Events: []contract.Event{placed}, Next: 2, Head: 2})
	}))
	data, err := json.Marshal(done)
	require.NoError(t, err)
	require.NoError(t, f.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{{ID: done.ID, Data: data}}))
	assert.Empty(t, f.requireOK(f.do("", "GET", path(a), "", nil)).Cart.Items)
	cursors := f.do("", "GET", "/internal/consumers", "", nil)
	assert.JSONEq(t, `{"cursors":[{"source":"orders","partition":"orders","position":2,"applied":2,"parked":0,"head":0},
		{"source":"users","partition":"users","position":0,"applied":0,"parked":0,"head":0}]}`, cursors.Raw)
}

func TestABatchOfOrdersHasTheEffectOfSingleOrders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	handleBatch := func(batch ...contract.Event) error {
		return f.service.events.OrdersConfirmed(t.Context(), batch)
	}
	items := func(a response) int { return len(f.requireOK(f.do("", "GET", path(a), "", nil)).Cart.Items) }
	a, b := f.fill("", contract.Line{SKU: "hat", Quantity: 2}), f.fill("", contract.Line{SKU: "tee-red-m", Quantity: 1})
	f.requireOK(f.do("", "PUT", path(b)+"/items/hat", "*", `{"quantity":5}`))
	gone := confirmed("o3", response{Cart: Cart{ID: "gone-gone-gone-gone"}})
	for range 2 {
		require.NoError(t, handleBatch(confirmed("o1", a), confirmed("o2", b), gone))
		assert.Equal(t, 0, items(a))
		assert.Equal(t, 1, items(b), "what was added after the order")
	}

	hats := contract.Line{SKU: "hat", Quantity: 2}
	claimed, other := f.fill("", hats), f.fill("", hats)
	f.requireOK(f.do("ann", "POST", path(claimed)+"/claim", "", nil))
	assert.ErrorContains(t, handleBatch(confirmed("o4", other), confirmed("o5", claimed)), "the batch has")
	assert.ErrorContains(t, handleBatch(confirmed("o4", other), confirmed("o6", other)), "the batch has")
	wrong := confirmed("o7", other)
	wrong.Data = json.RawMessage(`{"orderId":7}`)
	assert.Error(t, handleBatch(confirmed("o4", other), wrong))
	f.state.setDown(true)
	assert.Error(t, handleBatch(confirmed("o4", other), gone))
	f.state.setDown(false)
	assert.Equal(t, 1, items(other), "no order was removed")
}
