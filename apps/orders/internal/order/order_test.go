package order_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

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
	return contract.OrderFact{OrderID: id, Customer: "ada", Email: "ada@example.com", Total: total,
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
				_, _, err = b.Confirm(t.Context(), "o", "auth", total, "")
			} else {
				_, _, err = b.Reject(t.Context(), "o", order.Rejection{Reason: order.OutOfStock})
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
	facts, err := b.History(t.Context(), "o")
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
	_, _, err := b.Confirm(t.Context(), "o", "auth", money.New(1689, "EUR"), "")
	assert.Error(t, err)
	o, _, err := b.Confirm(t.Context(), "o", "auth", total, "")
	require.NoError(t, err)
	assert.Equal(t, order.Confirmed, o.Status)
}

func TestRule4And5CancelAndVoidOnce(t *testing.T) {
	t.Parallel()
	b := placed(t)
	_, _, err := b.Cancel(t.Context(), "o", "changed my mind")
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is confirmed")
	_, _, err = b.Confirm(t.Context(), "o", "auth", total, "")
	require.NoError(t, err)
	_, _, err = b.Voided(t.Context(), "o")
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is cancelled")
	for range 2 {
		o, _, err := b.Cancel(t.Context(), "o", "changed my mind")
		require.NoError(t, err)
		assert.Equal(t, order.Cancelled, o.Status)
	}
	open, err := b.Open(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, []string{"o"}, open, "until its money is voided it needs work")
	var version uint64
	for range 2 {
		o, v, err := b.Voided(t.Context(), "o")
		require.NoError(t, err)
		assert.Equal(t, order.PaymentVoided, o.Payment.Status)
		assert.True(t, version == 0 || version == v)
		version = v
	}
	open, err = b.Open(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	assert.Empty(t, open)
}

// Whatever is tried in whatever order, also over restarts: the status only moves along the allowed ways,
// what is read after a restart equals what was read before, and orders that need work are listed.
func TestAnyCommandsKeepTheRules(t *testing.T) {
	t.Parallel()
	next := map[order.Status][]order.Status{
		order.Placing: {order.Confirmed, order.Rejected}, order.Confirmed: {order.Cancelled},
	}
	rapid.Check(t, func(rt *rapid.T) {
		ctx, state := context.Background(), memory.NewState()
		b, done := open(rt, state)
		defer func() { done() }()
		was := map[string]order.Status{}
		for range rapid.IntRange(1, 30).Draw(rt, "commands") {
			id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "order")
			var err error
			switch rapid.IntRange(0, 5).Draw(rt, "command") {
			case 0:
				_, _, _, err = b.Place(ctx, fact(id), order.Request{Fingerprint: "f"})
				if was[id] == "" {
					was[id] = order.Placing
				}
			case 1:
				_, _, err = b.Confirm(ctx, id, "auth", total, "")
			case 2:
				_, _, err = b.Reject(ctx, id, order.Rejection{Reason: order.PaymentDeclines})
			case 3:
				_, _, err = b.Cancel(ctx, id, "")
			case 4:
				_, _, err = b.Voided(ctx, id)
			case 5:
				done()
				b, done = open(rt, state)
			}
			if err != nil && !fault.Is(err, "invalid-transition") && !fault.Is(err, "not-found") {
				rt.Fatal(err)
			}
			o, _, err := b.Get(ctx, id)
			if was[id] == "" {
				require.True(rt, fault.Is(err, "not-found"))
				continue
			}
			require.NoError(rt, err)
			if o.Status != was[id] {
				require.Contains(rt, next[was[id]], o.Status)
				was[id] = o.Status
			}
			open, err := b.Open(ctx, time.Now().Add(time.Hour))
			require.NoError(rt, err)
			needsWork := o.Status == order.Placing || (o.Status == order.Cancelled && o.Payment.Status != order.PaymentVoided)
			require.Equal(rt, needsWork, contains(open, id))
			require.True(rt, o.Status != order.Confirmed || o.Payment.Authorized == o.Total)
		}
	})
}

func contains(ids []string, id string) bool {
	for _, x := range ids {
		if x == id {
			return true
		}
	}
	return false
}
