package statetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// operations are all ways to use a store. item exists in a store that works, and item.Key+"-new" does not.
var operations = []struct {
	name string
	run  func(ctx context.Context, s sidecar.State, item sidecar.Item) error
}{
	{"get", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		_, err := s.Get(ctx, item.Key)
		return err
	}},
	{"get many with one key", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		_, err := s.GetMany(ctx, []string{item.Key})
		return err
	}},
	{"get many", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		_, err := s.GetMany(ctx, []string{item.Key, item.Key + "2", item.Key + "3"})
		return err
	}},
	{"create", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.Create(ctx, item.Key+"-new", []byte("2"))
	}},
	{"put", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.Put(ctx, item.Key, []byte("2"), "")
	}},
	{"put if unchanged", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.Put(ctx, item.Key, []byte("2"), item.ETag)
	}},
	{"put many", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.PutMany(ctx, []sidecar.Item{item, {Key: item.Key + "-new", Value: []byte("2")}})
	}},
	{"put many if unchanged", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.PutManyIf(ctx, []sidecar.Item{item, {Key: item.Key + "-new", Value: []byte("2")}})
	}},
	{"delete", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.Delete(ctx, item.Key, "")
	}},
	{"delete if unchanged", func(ctx context.Context, s sidecar.State, item sidecar.Item) error {
		return s.Delete(ctx, item.Key, item.ETag)
	}},
}

// TestUnavailable checks the errors of a sidecar.State whose store does not answer. open returns such a store.
func TestUnavailable(t *testing.T, open func(t *testing.T) sidecar.State) {
	store := open(t)
	item := sidecar.Item{Key: key(t, "k"), Value: []byte("1"), ETag: "1"}
	errs := make([]error, len(operations))
	var running sync.WaitGroup
	for i, o := range operations {
		running.Go(func() { errs[i] = o.run(t.Context(), store, item) })
	}
	running.Wait()
	for i, o := range operations {
		t.Run(o.name, func(t *testing.T) {
			requireUnavailable(t, errs[i])
			requireContextErrors(t, func(ctx context.Context) error { return o.run(ctx, store, item) })
		})
	}
}

// endedContext checks the errors of a store that works, when the context of a call has ended.
func endedContext(t *testing.T, s sidecar.State) {
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) {
			item := put(t, s, key(t, "k"), "1")
			requireContextErrors(t, func(ctx context.Context) error { return o.run(ctx, s, item) })
			require.Equal(t, item, get(t, s, item.Key), "nothing is written")
		})
	}
}

// requireContextErrors checks that a cancellation by the caller is returned as such, and that a deadline that has
// passed counts as an unavailable store.
func requireContextErrors(t *testing.T, operation func(context.Context) error) {
	t.Helper()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	err := operation(cancelled)
	require.ErrorIs(t, err, context.Canceled)
	require.NotEqual(t, fault.Unavailable, fault.Of(err).Kind, "%v", err)
	expired, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	requireUnavailable(t, operation(expired))
}

// requireUnavailable checks that an error becomes a response with the status 503 and a Retry-After header.
func requireUnavailable(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	f := fault.Of(err)
	assert.Equal(t, fault.Unavailable, f.Kind, "%v", err)
	assert.Equal(t, "unavailable", f.Type)
	assert.Positive(t, f.RetryAfter)
	assert.NotErrorIs(t, err, sidecar.ErrExists)
	assert.NotErrorIs(t, err, sidecar.ErrStale)
}
