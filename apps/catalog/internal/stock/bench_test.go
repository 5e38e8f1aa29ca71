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

	"haberdash/apps/catalog/internal/stock"
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

// BenchmarkReserve takes one hot SKU off the shelf through a real sidecar on SQLite, one unit an order, with
// 1 and 64 clients in a closed loop.
func BenchmarkReserve(b *testing.B) {
	log, err := commitlog.Open(context.Background(), daprdtest.State(b, "catalog"), "catalog", "stock-main", stock.Model(), commitlog.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { log.Close(context.Background()) })
	ledger := stock.NewLedger(log, "main")
	require.NoError(b, ledger.Receive(context.Background(), "bench", []stock.Move{{SKU: "hot", Delta: 1_000_000_000}}))
	var n atomic.Int64
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			reserveAll(b, ledger, clients, &n)
		})
	}
}

func reserveAll(b *testing.B, ledger *stock.Ledger, clients int, n *atomic.Int64) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	times := make([][]time.Duration, clients)
	b.ResetTimer()
	for i := range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				began := time.Now()
				_, err := ledger.Reserve(context.Background(), fmt.Sprint("order-", n.Add(1)), []contract.Line{{SKU: "hot", Quantity: 1}}, time.Now().Add(time.Hour))
				if err != nil {
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
