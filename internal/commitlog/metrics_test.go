package commitlog_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry/metrictest"
)

// measuredLog opens the log p, which reads other writers' commits only when it must.
func measuredLog(t *testing.T, store sidecar.State, o commitlog.Options) (
	*commitlog.Partition[string], *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	o.Registry, o.SyncEvery = reg, time.Hour
	p := openTexts(t, store, o)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p, reg
}

func TestMetricsOfALogAndItsWriter(t *testing.T) {
	t.Parallel()
	store := memory.NewState()
	first, metrics := measuredLog(t, store, commitlog.Options{})
	second, others := measuredLog(t, store, commitlog.Options{})
	write(t, first, "a", "x")
	write(t, first, "b", "x")
	_, err := first.Do(t.Context(), []string{"b"}, func(tx *commitlog.Tx[string]) error {
		tx.EmitInternal("b", "written", "y")
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, testutil.GatherAndCompare(metrics, strings.NewReader(`
# HELP log_aggregates_in_memory Aggregates in memory.
# TYPE log_aggregates_in_memory gauge
log_aggregates_in_memory{log="p"} 2
# HELP log_events_head Position of the last event that other services receive, up to the last known commit.
# TYPE log_events_head gauge
log_events_head{log="p"} 2
# HELP log_head Number of the last commit that this process knows.
# TYPE log_head gauge
log_head{log="p"} 3
`), "log_aggregates_in_memory", "log_events_head", "log_head"))
	got := metrictest.Read(t, metrics)
	assert.EqualValues(t, 3, got[`log_write_duration_seconds_count{log="p",outcome="written"}`])
	assert.EqualValues(t, 3, got[`log_batch_commands_count{log="p"}`])
	assert.EqualValues(t, 3, got[`log_batch_commands_sum{log="p"}`])
	assert.EqualValues(t, 3, got[`log_commit_wait_seconds_count{log="p"}`])
	assert.Positive(t, got[`log_commit_wait_seconds_sum{log="p"}`])

	assert.EqualValues(t, 0, metrictest.Read(t, others)[`log_head{log="p"}`], "it has not read the commits yet")
	write(t, second, "c", "x")
	got = metrictest.Read(t, others)
	assert.EqualValues(t, 4, got[`log_head{log="p"}`])
	assert.EqualValues(t, 1, got[`log_write_duration_seconds_count{log="p",outcome="lost"}`])
	assert.EqualValues(t, 1, got[`log_write_duration_seconds_count{log="p",outcome="written"}`])
	assert.EqualValues(t, 0, got[`log_write_duration_seconds_count{log="p",outcome="failed"}`])
}

// One commit has the commands that have waited while the writer was busy.
func TestABatchIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, metrics := measuredLog(t, memory.NewState(), commitlog.Options{})
		const wait = 3 * time.Second
		var all sync.WaitGroup
		add := func(busy time.Duration) {
			all.Go(func() {
				_, err := p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[string]) error {
					time.Sleep(busy)
					tx.Emit("a", "written", "x")
					return nil
				})
				assert.NoError(t, err)
			})
			synctest.Wait()
		}
		add(wait)
		add(0)
		add(0)
		all.Wait()
		got := metrictest.Read(t, metrics)
		assert.EqualValues(t, 2, got[`log_batch_commands_count{log="p"}`])
		assert.EqualValues(t, 3, got[`log_batch_commands_sum{log="p"}`])
		assert.EqualValues(t, 3, got[`log_commit_wait_seconds_count{log="p"}`])
		assert.InDelta(t, 3*wait.Seconds(), got[`log_commit_wait_seconds_sum{log="p"}`], 1e-9)
	})
}

// unwritable is a store that refuses to write commits, or documents and checkpoints.
type unwritable struct {
	*memory.State
	commits, documents atomic.Bool
}

func (s *unwritable) refusal(key string) error {
	isCommit := strings.HasPrefix(key, "log/")
	if isCommit && s.commits.Load() || !isCommit && s.documents.Load() {
		return errors.New("the disk is full")
	}
	return nil
}

func (s *unwritable) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := s.refusal(key); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, opts...)
}

func (s *unwritable) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if err := s.refusal(key); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

func (s *unwritable) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if err := s.refusal(items[0].Key); err != nil {
		return err
	}
	return s.State.PutManyIf(ctx, items)
}

func TestFailedWritesAndCheckpointsAreMeasured(t *testing.T) {
	t.Parallel()
	store := &unwritable{State: memory.NewState()}
	p, metrics := measuredLog(t, store,
		commitlog.Options{CheckpointEvery: time.Millisecond, Patience: 10 * time.Millisecond})
	const checkpoint, failures = `log_checkpoint{log="p"}`, `log_checkpoint_failures_total{log="p"}`
	const success = `log_checkpoint_last_success_timestamp_seconds{log="p"}`
	eventually := func(condition func(got map[string]float64) bool) {
		t.Helper()
		require.Eventually(t, func() bool { return condition(metrictest.Read(t, metrics)) }, 10*time.Second,
			time.Millisecond)
	}
	opened := metrictest.Read(t, metrics)
	assert.InDelta(t, time.Now().Unix(), opened[success], 3600, "the log was read, there was nothing to write")
	eventually(func(got map[string]float64) bool { return got[success] > opened[success] }) // nothing to write
	write(t, p, "a", "x")
	eventually(func(got map[string]float64) bool { return got[checkpoint] == 1 })
	assert.Zero(t, metrictest.Read(t, metrics)[failures])

	store.documents.Store(true)
	write(t, p, "a", "y")
	eventually(func(got map[string]float64) bool { return got[failures] > 3 })
	failing := metrictest.Read(t, metrics)
	assert.EqualValues(t, 1, failing[checkpoint])
	store.commits.Store(true)
	_, err := p.Do(t.Context(), []string{"a"}, func(tx *commitlog.Tx[string]) error {
		tx.Emit("a", "written", "z")
		return nil
	})
	require.ErrorIs(t, err, commitlog.ErrUnknown)
	got := metrictest.Read(t, metrics)
	assert.Positive(t, got[`log_write_duration_seconds_count{log="p",outcome="failed"}`])
	assert.Equal(t, failing[success], got[success])
	store.commits.Store(false)
	store.documents.Store(false)
	eventually(func(got map[string]float64) bool { return got[checkpoint] == 2 && got[success] > failing[success] })
}

func TestAResidentLogHasNoMetricsOfCheckpoints(t *testing.T) {
	t.Parallel()
	_, metrics := measuredLog(t, memory.NewState(), commitlog.Options{Resident: true})
	for series := range metrictest.Read(t, metrics) {
		assert.NotContains(t, series, "checkpoint")
	}
}

func TestThePositionOfThePublisherIsMeasured(t *testing.T) {
	t.Parallel()
	store, b := memory.NewState(), &broker{}
	const published, head = `log_events_published{log="p"}`, `log_events_head{log="p"}`
	// run opens the log, publishes until the condition holds, and closes it.
	run := func(commits int, condition func(got map[string]float64) bool) {
		t.Helper()
		p, metrics := measuredLog(t, store, commitlog.Options{})
		for range commits {
			write(t, p, "a", "x")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.Publish(ctx, b, "topic")
		}()
		require.Eventually(t, func() bool { return condition(metrictest.Read(t, metrics)) }, 10*time.Second,
			time.Millisecond)
		stop()
		<-ended
	}
	run(2, func(got map[string]float64) bool { return got[published] == 2 && got[head] == 2 })
	b.set(true)
	run(3, func(got map[string]float64) bool { return b.set(true) > 3 && got[published] == 2 && got[head] == 5 })
	run(0, func(got map[string]float64) bool { return got[published] == 2 && got[head] == 5 }) // after a restart
	b.set(false)
	run(0, func(got map[string]float64) bool { return got[published] == 5 && got[head] == 5 })
	calls := b.set(false)
	run(0, func(got map[string]float64) bool { return got[published] == 5 })
	assert.Equal(t, calls, b.set(false), "there was nothing to publish")
}
