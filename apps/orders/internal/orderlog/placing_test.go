package orderlog_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
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

// open opens the orders log of a store.
func open(t require.TestingT, state sidecar.State) (*orderlog.Repository, *commitlog.Partition[order.State]) {
	log, err := commitlog.Open(context.Background(), state, "orders", "orders", order.Model(),
		commitlog.Options{CheckpointEvery: 3 * time.Millisecond})
	require.NoError(t, err)
	return orderlog.New(log), log
}

// newRepository makes a repository over an empty store.
func newRepository(t *testing.T) (*orderlog.Repository, *commitlog.Partition[order.State]) {
	orders, log := open(t, memory.NewState())
	t.Cleanup(func() { log.Close(context.Background()) })
	return orders, log
}

// placed makes a repository with an undecided order "o".
func placed(t *testing.T) (*orderlog.Repository, *commitlog.Partition[order.State]) {
	orders, log := newRepository(t)
	_, _, created, err := orders.Place(t.Context(), fact("o"), order.Request{Fingerprint: "f", Token: "tok"})
	require.NoError(t, err)
	require.True(t, created)
	return orders, log
}

// confirmed makes a repository with a confirmed order.
func confirmed(t *testing.T, f contract.OrderFact) *orderlog.Repository {
	orders, _ := newRepository(t)
	_, _, _, err := orders.Place(t.Context(), f, order.Request{Fingerprint: "f"})
	require.NoError(t, err)
	_, _, err = orders.Confirm(t.Context(), f.OrderID, "auth", f.Total)
	require.NoError(t, err)
	return orders
}

func TestRule1AnOrderIsPlacedOnce(t *testing.T) {
	t.Parallel()
	orders, _ := placed(t)
	o, version, created, err := orders.Place(t.Context(), fact("o"), order.Request{Fingerprint: "f"})
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, order.Placing, o.Status)
	assert.Equal(t, uint64(2), version)
	_, _, _, err = orders.Place(t.Context(), fact("o"), order.Request{Fingerprint: "other"})
	assert.True(t, fault.Is(err, "idempotency-key-reused"))
}

func TestRule2AnOrderIsDecidedOnce(t *testing.T) {
	t.Parallel()
	orders, log := placed(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	confirmed, rejected := 0, 0
	for i := range 20 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, _, err = orders.Confirm(t.Context(), "o", "auth", total)
			} else {
				_, _, err = orders.Reject(t.Context(), order.Order{OrderFact: fact("o")}, order.Rejection{Reason: order.OutOfStock})
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
	assert.True(t, (confirmed == 10) != (rejected == 10), "there is one decision, whose repetitions succeed: %d, %d",
		confirmed, rejected)
	events, err := log.History(t.Context(), order.AggregateID("o"), 0, 100)
	require.NoError(t, err)
	decisions := 0
	for _, e := range events {
		if e.Type == contract.OrderConfirmed || e.Type == contract.OrderRejected {
			decisions++
		}
	}
	assert.Equal(t, 1, decisions)
}

func TestRule3ConfirmedOnlyWithExactlyTheTotal(t *testing.T) {
	t.Parallel()
	orders, _ := placed(t)
	_, _, err := orders.Confirm(t.Context(), "o", "auth", money.New(1689, "EUR"))
	assert.Error(t, err)
	o, _, err := orders.Confirm(t.Context(), "o", "auth", total)
	require.NoError(t, err)
	assert.Equal(t, order.Confirmed, o.Status)
}

func TestRule2AnOrderIsNotConfirmedOnceItsRejectionHasBegun(t *testing.T) {
	t.Parallel()
	orders, _ := placed(t)
	for range 2 {
		o, _, err := orders.BeginRejection(t.Context(), "o", order.Rejection{Reason: order.Expired})
		require.NoError(t, err)
		assert.Equal(t, order.Placing, o.Status)
	}
	_, _, err := orders.Confirm(t.Context(), "o", "auth", total)
	assert.True(t, fault.Is(err, "invalid-transition"), "its money may be released already")
	o, _, err := orders.Reject(t.Context(), order.Order{OrderFact: fact("o")}, order.Rejection{Reason: order.Expired})
	require.NoError(t, err)
	assert.Equal(t, order.Rejected, o.Status)

	orders = confirmed(t, fact("o"))
	o, _, err = orders.BeginRejection(t.Context(), "o", order.Rejection{Reason: order.Expired})
	require.NoError(t, err)
	assert.Equal(t, order.Confirmed, o.Status)
	assert.Nil(t, o.Rejection)
}

func TestRules4And5CancelledAndReleasedOnce(t *testing.T) {
	t.Parallel()
	orders, _ := placed(t)
	_, _, err := orders.Cancel(t.Context(), "o", order.Sealed{})
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is confirmed")
	_, _, err = orders.Confirm(t.Context(), "o", "auth", total)
	require.NoError(t, err)
	_, _, err = orders.RecordRelease(t.Context(), "o")
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is cancelled")
	for range 2 {
		o, _, err := orders.Cancel(t.Context(), "o", order.Sealed{})
		require.NoError(t, err)
		assert.Equal(t, order.Cancelled, o.Status)
		assert.True(t, o.Duties().Release, "its payment is not voided yet")
	}
	var version uint64
	for range 2 {
		o, v, err := orders.RecordRelease(t.Context(), "o")
		require.NoError(t, err)
		assert.Equal(t, order.PaymentVoided, o.Payment.Status())
		assert.False(t, o.Duties().Any())
		assert.True(t, version == 0 || version == v)
		version = v
	}
}

func TestRule12OneVersionOfACartIsOrderedOnce(t *testing.T) {
	t.Parallel()
	orders, _ := newRepository(t)
	of := func(id string, version int64) contract.OrderFact {
		f := fact(id)
		f.CartID, f.CartVersion = "cart", version
		return f
	}
	place := func(id string, version int64) error {
		_, _, _, err := orders.Place(t.Context(), of(id, version), order.Request{Fingerprint: "f"})
		return err
	}
	require.NoError(t, place("a", 3))
	assert.True(t, fault.Is(place("b", 3), "cart-changed"))
	assert.True(t, fault.Is(place("b", 2), "cart-changed"))
	require.NoError(t, place("a", 3), "a repetition")
	require.NoError(t, place("c", 4))
	_, _, err := orders.Reject(t.Context(), order.Order{OrderFact: of("c", 4)},
		order.Rejection{Reason: order.PaymentDeclined})
	require.NoError(t, err)
	require.NoError(t, place("d", 4), "the cart of a rejected order can be ordered again")
	assert.True(t, fault.Is(place("e", 4), "cart-changed"))
}
