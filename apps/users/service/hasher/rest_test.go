package hasher

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// A hash that takes 10 ms leaves its slot empty for 20 ms, and its caller does not wait for that.
func TestSlotsRestAfterAHash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cheap := argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
		h, err := New(cheap, 2, 4)
		require.NoError(t, err)
		start := time.Now()
		var mu sync.Mutex
		began, answered := map[time.Duration]int{}, map[time.Duration]int{}
		var callers sync.WaitGroup
		for range 6 {
			callers.Go(func() {
				r, err := h.Reserve()
				require.NoError(t, err)
				defer r.Release()
				require.NoError(t, r.run(t.Context(), func() {
					mu.Lock()
					began[time.Since(start)]++
					mu.Unlock()
					time.Sleep(10 * time.Millisecond)
				}))
				mu.Lock()
				answered[time.Since(start)]++
				mu.Unlock()
			})
		}
		callers.Wait()
		ms := time.Millisecond
		require.Equal(t, map[time.Duration]int{0: 2, 30 * ms: 2, 60 * ms: 2}, began)
		require.Equal(t, map[time.Duration]int{10 * ms: 2, 40 * ms: 2, 70 * ms: 2}, answered)
		synctest.Wait()
		time.Sleep(20 * ms) // the last slots rest
	})
}

func TestHashesThatRunAndWaitAreMeasured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cheap := argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
		h, err := New(cheap, 2, 4)
		require.NoError(t, err)
		reg := prometheus.NewRegistry()
		h.Measure(reg)
		measured := func() map[string]float64 {
			families, err := reg.Gather()
			require.NoError(t, err)
			values := map[string]float64{}
			for _, f := range families {
				values[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
			}
			return values
		}
		end := make(chan struct{})
		var callers sync.WaitGroup
		for range 6 {
			callers.Go(func() {
				r, err := h.Reserve()
				require.NoError(t, err)
				defer r.Release()
				require.NoError(t, r.run(t.Context(), func() { <-end }))
			})
		}
		synctest.Wait()
		require.Equal(t, map[string]float64{"hashes_in_progress": 2, "hashes_waiting": 4}, measured())
		close(end)
		callers.Wait()
		require.Equal(t, map[string]float64{"hashes_in_progress": 0, "hashes_waiting": 0}, measured())
		time.Sleep(time.Second) // the last slots rest
	})
}

// A panic in a hash does not take a slot away for good.
func TestAPanicReturnsTheSlot(t *testing.T) {
	t.Parallel()
	h, err := New(argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}, 1, 1)
	require.NoError(t, err)
	r, err := h.Reserve()
	require.NoError(t, err)
	defer r.Release()
	require.Panics(t, func() { _ = r.run(t.Context(), func() { panic("x") }) })
	require.NoError(t, r.run(t.Context(), func() {}))
}
