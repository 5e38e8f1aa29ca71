package commitlog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/projection"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// BenchmarkAppend measures commands a second through a real sidecar on SQLite, with 1, 64 and 256 clients.
func BenchmarkAppend(b *testing.B) {
	store := startState(b)
	for _, clients := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			name := fmt.Sprint("c", clients, "-", b.N)
			p, err := commitlog.Open(b.Context(), store, "bench", name, ledgerModel(), commitlog.Options{})
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

// BenchmarkCommand measures one command of one client on a store in memory, without a registry of metrics and with one.
func BenchmarkCommand(b *testing.B) {
	for _, measured := range []bool{false, true} {
		b.Run(fmt.Sprint("measured=", measured), func(b *testing.B) {
			o := commitlog.Options{CheckpointEvery: time.Hour, SyncEvery: time.Hour}
			if measured {
				o.Registry = prometheus.NewRegistry()
			}
			p, err := commitlog.Open(b.Context(), memory.NewState(), "bench", "memory", tally(), o)
			require.NoError(b, err)
			b.ReportAllocs()
			ids := []string{"a"}
			for b.Loop() {
				_, err := p.Do(b.Context(), ids, func(tx *commitlog.Tx[int]) error {
					tx.Emit("a", "counted", nil)
					return nil
				})
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkContention is BenchmarkAppend with 64 clients that use several writers of the same partition.
func BenchmarkContention(b *testing.B) {
	store := startState(b)
	for _, writers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			var ps []*commitlog.Partition[ledger]
			name, o := fmt.Sprint("w", writers, "-", b.N), commitlog.Options{Patience: time.Minute}
			for range writers {
				p, err := commitlog.Open(b.Context(), store, "bench", name, ledgerModel(), o)
				require.NoError(b, err)
				ps = append(ps, p)
			}
			var n atomic.Int64
			b.SetParallelism(32) // times GOMAXPROCS
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					id := fmt.Sprint("a", i)
					_, err := ps[int(i)%writers].Do(context.Background(), []string{id}, func(tx *commitlog.Tx[ledger]) error {
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
			b.StopTimer()
			for _, p := range ps {
				require.NoError(b, p.Close(context.Background()))
			}
		})
	}
}

// tally is the model of an aggregate that counts its events.
func tally() commitlog.Model[int] {
	return commitlog.Model[int]{Apply: func(_ string, n int, _ commitlog.Event) (int, error) { return n + 1, nil }}
}

// writeLog writes commits directly into the store. Their events have about a hundred bytes and belong to the aggregates
// in turn.
func writeLog(b *testing.B, store sidecar.State, name string, from, to, perCommit, aggregates int) {
	b.Helper()
	data, err := json.Marshal(map[string]string{"note": strings.Repeat("0123456789", 9) + "01234"})
	require.NoError(b, err)
	var items []sidecar.Item
	for n := from; n <= to; n++ {
		c := commitlog.Commit{Attempt: fmt.Sprint("bench", n), Before: uint64((n - 1) * perCommit)}
		for i := range perCommit {
			k := (n-1)*perCommit + i
			e := commitlog.Event{
				Aggregate: fmt.Sprint("order/", k%aggregates), Seq: uint64(k/aggregates + 1), Type: "order.noted",
				At: time.Unix(int64(k), 0).UTC(), Data: data,
			}
			if k >= aggregates {
				e.Prev = uint64((k-aggregates)/perCommit + 1)
			}
			c.Events = append(c.Events, e)
		}
		value, err := json.Marshal(c)
		require.NoError(b, err)
		items = append(items, sidecar.Item{Key: fmt.Sprintf("log/%s/%d", name, n), Value: value})
		if len(items) == 100 || n == to {
			require.NoError(b, store.PutMany(b.Context(), items))
			items = nil
		}
	}
}

// BenchmarkOpen measures Open with a million events of 100,000 aggregates in the log: from a checkpoint that is one
// second old, and, for a resident model, from the whole log.
func BenchmarkOpen(b *testing.B) {
	store := startState(b)
	const perCommit, commits, tail, aggregates = 100, 10_000, 200, 100_000
	writeLog(b, store, "million", 1, commits, perCommit, aggregates)
	require.NoError(b, commitlog.Rebuild(b.Context(), store, "million", tally()))
	writeLog(b, store, "million", commits+1, commits+tail, perCommit, aggregates)
	for name, o := range map[string]commitlog.Options{
		"checkpoint": {CheckpointEvery: time.Hour},
		"resident":   {Resident: true},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := commitlog.Open(b.Context(), store, "bench", "million", tally(), o)
				require.NoError(b, err)
				b.StopTimer()
				require.Equal(b, uint64(commits+tail), p.Head())
				if o.Resident {
					require.NoError(b, p.Close(b.Context()))
				} // else it stays open: Close would write a new checkpoint
				b.StartTimer()
			}
		})
	}
}

// BenchmarkHistory measures a page of twenty events of an aggregate that has a thousand, each in another commit: the
// last twenty, and twenty from the middle.
func BenchmarkHistory(b *testing.B) {
	store := startState(b)
	writeLog(b, store, "history", 1, 1000, 10, 10)
	p, err := commitlog.Open(b.Context(), store, "bench", "history", tally(), commitlog.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { p.Close(context.Background()) })
	middle, err := p.History(b.Context(), "order/3", 501, 1)
	require.NoError(b, err)
	for _, before := range []commitlog.Mark{{}, middle[0].Mark()} {
		b.Run(fmt.Sprint("before=", before.Seq), func(b *testing.B) {
			for b.Loop() {
				events, err := p.HistoryBefore(b.Context(), "order/3", before, 20)
				require.NoError(b, err)
				require.Len(b, events, 20)
			}
		})
	}
}

// BenchmarkLists measures a page of twenty entries of a list of 100,000: the last twenty, and twenty from the middle.
func BenchmarkLists(b *testing.B) {
	store := startState(b)
	const entries, perCommit = 100_000, 250
	p, err := commitlog.Open(b.Context(), store, "bench", "lists", tally(), commitlog.Options{})
	require.NoError(b, err)
	lists := projection.NewLists(p)
	running, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); lists.Run(running) }()
	b.Cleanup(func() { stop(); <-done; p.Close(context.Background()) })
	began := time.Now()
	for range entries / perCommit {
		_, err := p.Do(b.Context(), []string{projection.ListID("all")}, func(tx *commitlog.Tx[int]) error {
			for range perCommit {
				tx.EmitInternal(projection.ListID("all"), "listed", map[string]string{"order": "26f2fzk2hkg3iacuqvuoslitv7xyzabc"})
			}
			return nil
		})
		require.NoError(b, err)
	}
	_, err = lists.Read(b.Context(), "all", 0, 1) // waits for the pages
	require.NoError(b, err)
	b.Logf("%d entries are in their pages after %s", entries, time.Since(began).Round(time.Millisecond))
	for _, before := range []uint64{0, entries / 2} {
		b.Run(fmt.Sprint("before=", before), func(b *testing.B) {
			for b.Loop() {
				page, err := lists.Read(b.Context(), "all", before, 20)
				require.NoError(b, err)
				require.Len(b, page, 20)
			}
		})
	}
}
