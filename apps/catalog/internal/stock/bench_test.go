package stock_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/catalog/internal/ledger"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/dapr/launch/process"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprdtest"
	"haberdash/internal/sidecar/memory"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// openHot opens the ledger of a location that has plenty of the SKU "hot".
func openHot(b *testing.B, store sidecar.State) (*ledger.Ledger, *commitlog.Partition[stock.State]) {
	b.Helper()
	ctx := context.Background()
	log, err := commitlog.Open(ctx, store, "catalog", "stock-main", stock.Model(), commitlog.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { log.Close(ctx) })
	l := ledger.New(log, "main")
	require.NoError(b, l.Receive(ctx, "bench", []ledger.Move{{SKU: "hot", Delta: 1_000_000_000}}))
	return l, log
}

// reserveHot reserves one "hot" for an order.
func reserveHot(ctx context.Context, l *ledger.Ledger, order string) error {
	_, err := l.Reserve(ctx, order, []contract.Line{{SKU: "hot", Quantity: 1}}, time.Now().Add(time.Hour))
	return err
}

// BenchmarkReserve reserves one SKU through a real sidecar on SQLite, one unit an order, with 1 and 64 clients. Each
// client waits for its answer before it sends the next request.
func BenchmarkReserve(b *testing.B) {
	l, _ := openHot(b, daprdtest.State(b, "catalog"))
	var n atomic.Int64
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			reserveAll(b, l, clients, &n)
		})
	}
}

func reserveAll(b *testing.B, l *ledger.Ledger, clients int, n *atomic.Int64) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	times := make([][]time.Duration, clients)
	b.ResetTimer()
	for i := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				if err := reserveHot(context.Background(), l, fmt.Sprint("order-", n.Add(1))); err != nil {
					b.Error(err)
					return
				}
				times[i] = append(times[i], time.Since(began))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(times...)
	slices.Sort(all)
	b.ReportMetric(float64(len(all))/b.Elapsed().Seconds(), "reservations/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkReserveHotSKU makes reservations that stay undecided: each copies its part of a growing index.
func BenchmarkReserveHotSKU(b *testing.B) {
	reserveInMemory(b, func(l *ledger.Ledger, order string) error { return reserveHot(b.Context(), l, order) })
}

// BenchmarkReserveAndCommitHotSKU commits each reservation soon, as is usual. An operation has two commands.
func BenchmarkReserveAndCommitHotSKU(b *testing.B) {
	reserveInMemory(b, func(l *ledger.Ledger, order string) error {
		if err := reserveHot(b.Context(), l, order); err != nil {
			return err
		}
		_, err := l.Commit(b.Context(), order)
		return err
	})
}

func reserveInMemory(b *testing.B, do func(l *ledger.Ledger, order string) error) {
	l, log := openHot(b, memory.NewState())
	var n atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(64)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(l, fmt.Sprint("o", n.Add(1))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/float64(log.Head()), "orders/commit")
}
