package logtest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// fillLog lets contending writers add events to a log, of which some are published, and restarts them once. It returns
// how many events are published.
func (s suite) fillLog(t *testing.T, name string) uint64 {
	const restarts, writers, each = 2, 3, 15
	for restart := range restarts {
		var wg sync.WaitGroup
		for w := range writers {
			p := s.open(t, name, commitlog.Options{Patience: 20 * time.Second, CheckpointEvery: 5 * time.Millisecond})
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprint("c", i%4)
					_, err := p.Do(t.Context(), []string{id}, func(tx *commitlog.Tx[Counter]) error {
						tx.EmitInternal(id, "noted", added{})
						for range (restart + w + i) % 3 { // 1 on average
							tx.Emit(id, "added", added{N: 1})
							tx.EmitInternal(id, "noted", added{})
						}
						return nil
					})
					assert.NoError(t, err)
				}
				assert.NoError(t, p.Close(t.Context()))
			})
		}
		wg.Wait()
	}
	return restarts * writers * each
}

func (s suite) testPositions(t *testing.T) {
	want := s.fillLog(t, "positions")
	for _, resident := range []bool{false, true} {
		p := s.open(t, "positions", commitlog.Options{Resident: resident})
		defer p.Close(t.Context())
		assert.Equal(t, want, p.Published())
		next := uint64(1)
		for n := uint64(1); n <= p.Head(); n++ {
			commits, err := p.Read(t.Context(), n, 1)
			require.NoError(t, err)
			for _, e := range commits[0].Published("test", "positions") {
				assert.Equal(t, next, e.Position)
				assert.Equal(t, "added", e.Type)
				next++
			}
		}
		assert.Equal(t, want, next-1)
	}
}

func (s suite) testPublish(t *testing.T) {
	ctx := t.Context()
	p := s.open(t, "publish", commitlog.Options{})
	rec := &recorder{got: make(chan string, 100)}
	publishing, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { p.Publish(publishing, rec, "topic") })
	for i := range 20 {
		require.NoError(t, add(ctx, p, "c", fmt.Sprint(i), 1))
	}
	for i := range 20 {
		assert.Equal(t, fmt.Sprintf("test/publish/%d/0", i+1), rec.next(t))
	}
	stop()
	done.Wait()
	require.NoError(t, p.Close(ctx))
	p = s.open(t, "publish", commitlog.Options{})
	defer p.Close(ctx)
	publishing, stop = context.WithCancel(ctx)
	done.Go(func() { p.Publish(publishing, rec, "topic") })
	require.NoError(t, add(ctx, p, "c", "last", 1))
	assert.Equal(t, "test/publish/21/0", rec.next(t), "a regular end repeats no event")
	stop()
	done.Wait()
}

// recorder is a publisher that records the ids of events.
type recorder struct{ got chan string }

func (r *recorder) Publish(_ context.Context, _ string, messages []sidecar.Message) error {
	for _, m := range messages {
		var e struct{ ID string }
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return err
		}
		r.got <- e.ID
	}
	return nil
}

func (r *recorder) next(t *testing.T) string {
	t.Helper()
	select {
	case id := <-r.got:
		return id
	case <-time.After(10 * time.Second):
		t.Fatal("no event was published")
		return ""
	}
}
