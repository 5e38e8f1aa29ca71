package orderlog_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
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

// BenchmarkClosedOrders closes orders, on SQLite behind a real sidecar, and reports how much memory the process needs
// afterwards: compare -benchtime 20000x with 60000x.
func BenchmarkClosedOrders(b *testing.B) {
	log, err := commitlog.Open(context.Background(), daprdtest.State(b, "orders"), "orders", "orders", order.Model(),
		commitlog.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { log.Close(context.Background()) })
	orders, readModel := orderlog.New(log), readmodel.New(log)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { readModel.Projection().Run(ctx) })
	b.Cleanup(func() { stop(); running.Wait() })

	b.ResetTimer()
	var buyers errgroup.Group
	buyers.SetLimit(256)
	for i := range b.N {
		buyers.Go(func() error { return closeOrder(ctx, orders, fmt.Sprint("o", i)) })
	}
	require.NoError(b, buyers.Wait())
	b.StopTimer()
	_, _, err = readModel.List(ctx, readmodel.Filter{}, 0, 1) // returns when the lists have caught up
	require.NoError(b, err)
	audit, err := log.Audit(ctx) // writes all documents first
	require.NoError(b, err)
	require.Zero(b, audit.Wrong)
	b.ReportMetric(float64(heapAtRest())/(1<<20), "heap-MiB")
}

// heapAtRest is the size of the heap once the memory of closed orders is free.
func heapAtRest() uint64 {
	var m runtime.MemStats
	least, since := uint64(math.MaxUint64), time.Now()
	for ; time.Since(since) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
		runtime.GC()
		if runtime.ReadMemStats(&m); m.HeapAlloc < least-least/50 {
			least, since = m.HeapAlloc, time.Now()
		}
	}
	return m.HeapAlloc
}

// closeOrder places, confirms and cancels an order.
func closeOrder(ctx context.Context, orders *orderlog.Repository, id string) error {
	fact := hatOrder(id)
	if _, _, _, err := orders.Place(ctx, fact, order.Request{Fingerprint: "f", Token: "t"}); err != nil {
		return err
	}
	if _, _, err := orders.Confirm(ctx, id, "auth", fact.Total); err != nil {
		return err
	}
	if _, _, err := orders.Cancel(ctx, id, order.Sealed{}); err != nil {
		return err
	}
	_, _, err := orders.RecordRelease(ctx, id)
	return err
}

func hatOrder(id string) contract.OrderFact {
	return contract.OrderFact{OrderID: id, CartID: "cart-" + id, CartVersion: 1,
		Lines: []contract.OrderLine{{SKU: "HAT", Title: "Hat", Quantity: 1, UnitPrice: eur(1000), Total: eur(1000),
			Discount: eur(0), Tax: eur(190)}},
		Subtotal: eur(1000), Discount: eur(0), Shipping: eur(0), Tax: eur(190), Total: eur(1190)}
}
