package order_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"haberdash/apps/orders/internal/order"
	"haberdash/dapr/launch/process"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar/daprdtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// BenchmarkClosedOrders takes orders through to their end, on SQLite behind a real sidecar, and tells what the
// process holds in memory afterwards: compare -benchtime 20000x with 60000x.
func BenchmarkClosedOrders(b *testing.B) {
	log, err := commitlog.Open(context.Background(), daprdtest.State(b, "orders"), "orders", "orders", order.Model(), commitlog.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { log.Close(context.Background()) })
	book := order.NewBook(log)
	ctx, stop := context.WithCancel(context.Background())
	lists := make(chan struct{})
	go func() { defer close(lists); book.Run(ctx) }()
	b.Cleanup(func() { stop(); <-lists })

	b.ResetTimer()
	var buyers errgroup.Group
	buyers.SetLimit(256)
	for i := range b.N {
		buyers.Go(func() error { return closed(ctx, book, fmt.Sprint("o", i)) })
	}
	require.NoError(b, buyers.Wait())
	b.StopTimer()
	_, _, err = book.List(ctx, order.Filter{}, 0, 1) // the lists have caught up
	require.NoError(b, err)
	audit, err := log.Audit(ctx) // writes all documents first
	require.NoError(b, err)
	require.Zero(b, audit.Wrong)
	b.ReportMetric(float64(atRest())/(1<<20), "heap-MiB")
}

// atRest is the size of the heap once what is no longer warm is gone.
func atRest() uint64 {
	var m runtime.MemStats
	for least, since := uint64(math.MaxUint64), time.Now(); time.Since(since) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
		runtime.GC()
		if runtime.ReadMemStats(&m); m.HeapAlloc < least-least/50 {
			least, since = m.HeapAlloc, time.Now()
		}
	}
	return m.HeapAlloc
}

// closed takes one order to its end.
func closed(ctx context.Context, book *order.Book, id string) error {
	fact := sample(id)
	if _, _, _, err := book.Place(ctx, fact, order.Request{Fingerprint: "f", Token: "t"}); err != nil {
		return err
	}
	if _, _, err := book.Confirm(ctx, id, "auth", fact.Total); err != nil {
		return err
	}
	if _, _, err := book.Cancel(ctx, id, order.Sealed{}); err != nil {
		return err
	}
	_, _, err := book.Settled(ctx, id)
	return err
}

func sample(id string) contract.OrderFact {
	return contract.OrderFact{OrderID: id, CartID: "cart-" + id, CartVersion: 1,
		Lines:    []contract.OrderLine{{SKU: "HAT", Title: "Hat", Quantity: 1, UnitPrice: eur(1000), Total: eur(1000), Discount: eur(0), Tax: eur(190)}},
		Subtotal: eur(1000), Discount: eur(0), Shipping: eur(0), Tax: eur(190), Total: eur(1190)}
}
