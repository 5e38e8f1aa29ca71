package commitlog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

// startState gives the state store of a real sidecar on the embedded default.
func startState(tb testing.TB) sidecar.State {
	s, err := launch.StartSidecar(context.Background(), launch.SidecarOptions{
		AppID: "orders", RunDir: tb.TempDir(), ResourcesPaths: []string{filepath.Join("components", "state", "sqlite"), filepath.Join("components", "secrets", "env")},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { s.Stop() })
	c, err := daprd.New(daprd.Options{HTTPPort: s.HTTPPort, GRPCPort: s.GRPCPort})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close() })
	require.NoError(tb, c.Wait(context.Background()))
	return c.State(daprd.StateStore)
}

func TestMain(m *testing.M) {
	code := m.Run()
	launch.Leave()
	os.Exit(code)
}

func TestSQLiteThroughSidecar(t *testing.T) {
	t.Parallel()
	logtest.Test(t, func(t *testing.T) sidecar.State { return startState(t) })
}

// BenchmarkAppend measures commands a second through a real sidecar on SQLite, with 1 and 256 clients.
func BenchmarkAppend(b *testing.B) {
	store := startState(b)
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			p, err := commitlog.Open(b.Context(), store, "bench", fmt.Sprint("c", clients, "-", b.N), ledgerModel(), commitlog.Options{})
			require.NoError(b, err)
			var n atomic.Int64
			b.SetParallelism(max(1, clients/2)) // times GOMAXPROCS
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprint("a", n.Add(1))
					_, err := p.Do(context.Background(), []string{id}, func(tx *commitlog.Tx[ledger]) error {
						tx.Emit(id, "added", map[string]any{"K": "k", "N": 1})
						return nil
					})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
			b.ReportMetric(float64(b.N)/float64(p.Head()), "commands/commit")
			b.StopTimer()
			require.NoError(b, p.Close(context.Background()))
		})
	}
}
