package order_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

var total = money.New(1690, "EUR")

func fact(id string) contract.OrderFact {
	return contract.OrderFact{OrderID: id, Customer: "ada", Total: total,
		Lines: []contract.OrderLine{{SKU: "HAT", Quantity: 1, UnitPrice: total, Total: total}}}
}

func open(t require.TestingT, state sidecar.State) (*order.Book, func()) {
	log, err := commitlog.Open(context.Background(), state, "orders", "orders", order.Model(), commitlog.Options{CheckpointEvery: 3 * time.Millisecond})
	require.NoError(t, err)
	return order.NewBook(log), func() { log.Close(context.Background()) }
}

func placed(t *testing.T) *order.Book {
	b, done := open(t, memory.NewState())
	t.Cleanup(done)
	_, _, created, err := b.Place(t.Context(), fact("o"), order.Request{Fingerprint: "f", Token: "tok"})
	require.NoError(t, err)
	require.True(t, created)
	return b
}

func confirmed(t *testing.T, f contract.OrderFact) *order.Book {
	b, done := open(t, memory.NewState())
	t.Cleanup(done)
	_, _, _, err := b.Place(t.Context(), f, order.Request{Fingerprint: "f"})
	require.NoError(t, err)
	_, _, err = b.Confirm(t.Context(), f.OrderID, "auth", f.Total)
	require.NoError(t, err)
	return b
}

func TestRule1PlacedOnce(t *testing.T) {
	t.Parallel()
	b := placed(t)
	o, version, created, err := b.Place(t.Context(), fact("o"), order.Request{Fingerprint: "f"})
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, order.Placing, o.Status)
	assert.Equal(t, uint64(2), version)
	_, _, _, err = b.Place(t.Context(), fact("o"), order.Request{Fingerprint: "other"})
	assert.True(t, fault.Is(err, "idempotency-key-reused"))
}

func TestRule2DecidedOnce(t *testing.T) {
	t.Parallel()
	b := placed(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	confirmed, rejected := 0, 0
	for i := range 20 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, _, err = b.Confirm(t.Context(), "o", "auth", total)
			} else {
				_, _, err = b.Reject(t.Context(), order.Order{OrderFact: fact("o")}, order.Rejection{Reason: order.OutOfStock})
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				assert.True(t, fault.Is(err, "invalid-transition"), err)
			} else if i%2 == 0 {
				confirmed++
			} else {
				rejected++
			}
		})
	}
	wg.Wait()
	assert.True(t, (confirmed == 10) != (rejected == 10), "one decision, and its repetitions succeed: %d, %d", confirmed, rejected)
	facts, err := b.History(t.Context(), "o", nil)
	require.NoError(t, err)
	decisions := 0
	for _, f := range facts {
		if f.Type == contract.OrderConfirmed || f.Type == contract.OrderRejected {
			decisions++
		}
	}
	assert.Equal(t, 1, decisions)
}

func TestRule3ConfirmedWithExactlyItsTotal(t *testing.T) {
	t.Parallel()
	b := placed(t)
	_, _, err := b.Confirm(t.Context(), "o", "auth", money.New(1689, "EUR"))
	assert.Error(t, err)
	o, _, err := b.Confirm(t.Context(), "o", "auth", total)
	require.NoError(t, err)
	assert.Equal(t, order.Confirmed, o.Status)
}

func TestRule2WhatIsGivenUpIsNotConfirmed(t *testing.T) {
	t.Parallel()
	b := placed(t)
	for range 2 {
		o, _, err := b.GiveUp(t.Context(), "o", order.Rejection{Reason: order.Expired})
		require.NoError(t, err)
		assert.Equal(t, order.Placing, o.Status)
	}
	_, _, err := b.Confirm(t.Context(), "o", "auth", total)
	assert.True(t, fault.Is(err, "invalid-transition"), "its money may be given back already")
	o, _, err := b.Reject(t.Context(), order.Order{OrderFact: fact("o")}, order.Rejection{Reason: order.Expired})
	require.NoError(t, err)
	assert.Equal(t, order.Rejected, o.Status)

	b = confirmed(t, fact("o"))
	o, _, err = b.GiveUp(t.Context(), "o", order.Rejection{Reason: order.Expired})
	require.NoError(t, err)
	assert.Equal(t, order.Confirmed, o.Status)
	assert.Nil(t, o.Rejection)
}

func TestRule4And5CancelAndFreeOnce(t *testing.T) {
	t.Parallel()
	b := placed(t)
	_, _, err := b.Cancel(t.Context(), "o", order.Sealed{})
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is confirmed")
	_, _, err = b.Confirm(t.Context(), "o", "auth", total)
	require.NoError(t, err)
	_, _, err = b.Settled(t.Context(), "o")
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is cancelled")
	for range 2 {
		o, _, err := b.Cancel(t.Context(), "o", order.Sealed{})
		require.NoError(t, err)
		assert.Equal(t, order.Cancelled, o.Status)
		assert.True(t, o.Duties().Free, "until its money is voided it owes that")
	}
	var version uint64
	for range 2 {
		o, v, err := b.Settled(t.Context(), "o")
		require.NoError(t, err)
		assert.Equal(t, order.PaymentVoided, o.Payment.Status())
		assert.False(t, o.Duties().Any())
		assert.True(t, version == 0 || version == v)
		version = v
	}
}

func TestRule12OneVersionOfACartIsOrderedOnce(t *testing.T) {
	t.Parallel()
	b, done := open(t, memory.NewState())
	t.Cleanup(done)
	of := func(id string, version int64) contract.OrderFact {
		f := fact(id)
		f.CartID, f.CartVersion = "cart", version
		return f
	}
	place := func(id string, version int64) error {
		_, _, _, err := b.Place(t.Context(), of(id, version), order.Request{Fingerprint: "f"})
		return err
	}
	require.NoError(t, place("a", 3))
	assert.True(t, fault.Is(place("b", 3), "cart-changed"))
	assert.True(t, fault.Is(place("b", 2), "cart-changed"))
	require.NoError(t, place("a", 3), "a repetition")
	require.NoError(t, place("c", 4))
	_, _, err := b.Reject(t.Context(), order.Order{OrderFact: of("c", 4)}, order.Rejection{Reason: order.PaymentDeclines})
	require.NoError(t, err)
	require.NoError(t, place("d", 4), "the rejected order gave its cart free")
	assert.True(t, fault.Is(place("e", 4), "cart-changed"))
}
