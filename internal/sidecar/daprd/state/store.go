// Package state implements sidecar.State with a state store of a Dapr sidecar.
//
// Each kind of state store reports a write whose condition does not hold with another error. The adapter therefore
// never concludes from an error that the condition did not hold. It reads the key back and compares the values.
package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
)

// Store implements sidecar.State with one component of a sidecar. It is safe for concurrent use.
type Store struct {
	sidecar dapr.Client
	name    string
	timeout time.Duration
	kind    atomic.Pointer[string] // the type of the component, nil until it is known
	writer  chan struct{}          // contains a token during a write to a store with only one writer
}

var _ sidecar.State = (*Store)(nil)

// New creates a Store for the component of that name. timeout limits each call of the sidecar.
func New(client dapr.Client, name string, timeout time.Duration) *Store {
	return &Store{sidecar: client, name: name, timeout: timeout, writer: make(chan struct{}, 1)}
}

func (s *Store) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// failure turns an error of the sidecar into one that a method may return: the cancellation of ctx, which is the
// context of the caller, or else the fault of an unavailable store.
func failure(ctx context.Context, err error, format string, args ...any) error {
	action := fmt.Sprintf(format, args...)
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w: %v", action, context.Canceled, err)
	}
	return sidecar.StoreUnavailable(fmt.Errorf("%s: %w", action, err))
}

// timedOut reports whether the store has not answered in time. The adapter does not read a key back then, because the
// caller would wait for a second timeout.
func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

// Get implements sidecar.State.
func (s *Store) Get(ctx context.Context, key string) (sidecar.Item, error) {
	bounded, cancel := s.withTimeout(ctx)
	defer cancel()
	item, err := s.sidecar.GetStateWithConsistency(bounded, s.name, key, nil, dapr.StateConsistencyStrong)
	if err != nil {
		return sidecar.Item{}, failure(ctx, err, "get %s", key)
	}
	return itemOf(key, item.Value, item.Etag), nil
}

// itemOf makes an item of what the sidecar returns for a key, which is empty if the key does not exist.
func itemOf(key string, value []byte, etag string) sidecar.Item {
	if etag == "" && len(value) == 0 {
		return sidecar.Item{Key: key}
	}
	return sidecar.Item{Key: key, Value: value, ETag: etag}
}

// Create implements sidecar.State.
func (s *Store) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	err := s.save(ctx, key, value, nil, dapr.StateConcurrencyFirstWrite, opts)
	if err == nil {
		return nil
	}
	if timedOut(err) {
		return failure(ctx, err, "create %s", key)
	}
	stored, readErr := s.Get(context.WithoutCancel(ctx), key)
	switch {
	case readErr != nil || !stored.Found():
		return failure(ctx, err, "create %s", key)
	case bytes.Equal(stored.Value, value):
		return nil
	}
	return sidecar.ErrExists
}

// Put implements sidecar.State.
func (s *Store) Put(
	ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption,
) error {
	if etag == "" {
		return s.overwrite(ctx, key, value, opts)
	}
	err := s.save(ctx, key, value, &dapr.ETag{Value: etag}, dapr.StateConcurrencyFirstWrite, opts)
	if err == nil {
		return nil
	}
	if timedOut(err) {
		return failure(ctx, err, "put %s", key)
	}
	stored, readErr := s.Get(context.WithoutCancel(ctx), key)
	switch {
	case readErr != nil || stored.ETag == etag:
		return failure(ctx, err, "put %s", key)
	case stored.Found() && bytes.Equal(stored.Value, value):
		return nil
	}
	return sidecar.ErrStale
}

// maxOverwrites is how often overwrite tries to replace a value in Redis while other writers replace it too.
const maxOverwrites = 20

// overwrite writes a value unconditionally. Redis refuses this for a key that was written with a condition before.
// There overwrite reads the value and replaces it on the condition that it has not changed.
func (s *Store) overwrite(ctx context.Context, key string, value []byte, opts []sidecar.PutOption) error {
	err := s.save(ctx, key, value, nil, dapr.StateConcurrencyLastWrite, opts)
	for range maxOverwrites {
		if err == nil || timedOut(err) || ctx.Err() != nil {
			break
		}
		if kind, kindErr := s.component(ctx); kindErr != nil || kind != redis {
			break
		}
		stored, readErr := s.Get(ctx, key)
		if readErr != nil || !stored.Found() {
			break
		}
		err = s.save(ctx, key, value, &dapr.ETag{Value: stored.ETag}, dapr.StateConcurrencyFirstWrite, opts)
	}
	if err != nil {
		return failure(ctx, err, "put %s", key)
	}
	return nil
}

func (s *Store) save(
	ctx context.Context, key string, value []byte, etag *dapr.ETag, mode dapr.StateConcurrency,
	opts []sidecar.PutOption,
) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	release, err := s.acquireWriter(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.sidecar.SaveBulkState(ctx, s.name, &dapr.SetStateItem{
		Key: key, Value: value, Etag: etag, Metadata: metadata(sidecar.Options(opts).TTL),
		Options: &dapr.StateOptions{Concurrency: mode, Consistency: dapr.StateConsistencyStrong},
	})
}

// metadata is the metadata of a write with a TTL, which Dapr counts in whole seconds.
func metadata(ttl time.Duration) map[string]string {
	if ttl <= 0 {
		return nil
	}
	return map[string]string{"ttlInSeconds": strconv.Itoa(int(math.Ceil(ttl.Seconds())))}
}

// Delete implements sidecar.State.
func (s *Store) Delete(ctx context.Context, key, etag string) error {
	err := s.remove(ctx, key, etag)
	if err == nil {
		return nil
	}
	if etag == "" || timedOut(err) {
		return failure(ctx, err, "delete %s", key)
	}
	stored, readErr := s.Get(context.WithoutCancel(ctx), key)
	switch {
	case readErr != nil || stored.ETag == etag:
		return failure(ctx, err, "delete %s", key)
	case !stored.Found():
		return nil
	}
	return sidecar.ErrStale
}

func (s *Store) remove(ctx context.Context, key, etag string) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	release, err := s.acquireWriter(ctx)
	if err != nil {
		return err
	}
	defer release()
	if etag == "" {
		return s.sidecar.DeleteState(ctx, s.name, key, nil)
	}
	return s.sidecar.DeleteStateWithETag(ctx, s.name, key, &dapr.ETag{Value: etag}, nil,
		&dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite, Consistency: dapr.StateConsistencyStrong})
}
