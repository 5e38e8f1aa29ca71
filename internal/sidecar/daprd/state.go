package daprd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	dapr "github.com/dapr/go-sdk/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
)

// State implements sidecar.State with the component of this name.
type State struct {
	c     *Client
	store string

	kindMu sync.Mutex
	kind   string // the component's type, once known

	writer chan struct{} // holds a token while somebody writes to a store with one writer
}

// State gives a state store of the sidecar.
func (c *Client) State(store string) *State {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states[store] == nil {
		c.states[store] = newState(c, store)
	}
	return c.states[store]
}

func newState(c *Client, store string) *State {
	return &State{c: c, store: store, writer: make(chan struct{}, 1)}
}

var _ sidecar.State = (*State)(nil)

// Get implements sidecar.State.
func (s *State) Get(ctx context.Context, key string) (sidecar.Item, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	item, err := s.c.dapr.GetStateWithConsistency(ctx, s.store, key, nil, dapr.StateConsistencyStrong)
	if err != nil {
		return sidecar.Item{}, unavailable(fmt.Errorf("get %s: %w", key, err))
	}
	return found(key, item.Value, item.Etag), nil
}

func (s *State) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.c.opts.StateTimeout)
}

// silent tells that the store gave no answer in time: asking it once more would keep the caller waiting as long.
func silent(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

func found(key string, value []byte, etag string) sidecar.Item {
	if etag == "" && len(value) == 0 {
		return sidecar.Item{Key: key}
	}
	return sidecar.Item{Key: key, Value: value, ETag: etag}
}

// Create implements sidecar.State. Stores word a lost put-if-absent differently (Aborted on SQLite,
// Internal elsewhere), so the error decides nothing: the key is read back, unless the store keeps silent.
func (s *State) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	err := s.save(ctx, key, value, nil, dapr.StateConcurrencyFirstWrite, opts)
	if err == nil {
		return nil
	}
	if silent(err) {
		return unavailable(fmt.Errorf("create %s: %w", key, err))
	}
	now, readErr := s.Get(context.WithoutCancel(ctx), key)
	switch {
	case readErr != nil || !now.Found():
		return unavailable(fmt.Errorf("create %s: %w", key, err))
	case bytes.Equal(now.Value, value):
		return nil
	}
	return sidecar.ErrExists
}

// Put implements sidecar.State. As in Create, a failed conditional write is read back.
func (s *State) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if etag == "" {
		return s.overwrite(ctx, key, value, opts)
	}
	err := s.save(ctx, key, value, &dapr.ETag{Value: etag}, dapr.StateConcurrencyFirstWrite, opts)
	if err == nil {
		return nil
	}
	if silent(err) {
		return unavailable(fmt.Errorf("put %s: %w", key, err))
	}
	now, readErr := s.Get(context.WithoutCancel(ctx), key)
	switch {
	case readErr != nil || now.ETag == etag:
		return unavailable(fmt.Errorf("put %s: %w", key, err))
	case now.Found() && bytes.Equal(now.Value, value):
		return nil
	}
	return sidecar.ErrStale
}

// overwrite writes whatever is there. Redis refuses that for a key that was once written on condition: there the
// value takes the place of the one that is read, until nobody else comes between.
func (s *State) overwrite(ctx context.Context, key string, value []byte, opts []sidecar.PutOption) error {
	err := s.save(ctx, key, value, nil, dapr.StateConcurrencyLastWrite, opts)
	for range 20 {
		if err == nil || s.kindOf(ctx) != redis || ctx.Err() != nil || silent(err) {
			break
		}
		now, readErr := s.Get(ctx, key)
		if readErr != nil || !now.Found() {
			break
		}
		err = s.save(ctx, key, value, &dapr.ETag{Value: now.ETag}, dapr.StateConcurrencyFirstWrite, opts)
	}
	if err != nil {
		return unavailable(fmt.Errorf("put %s: %w", key, err))
	}
	return nil
}

func (s *State) save(ctx context.Context, key string, value []byte, etag *dapr.ETag, mode dapr.StateConcurrency, opts []sidecar.PutOption) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	done, err := s.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	return s.c.dapr.SaveBulkState(ctx, s.store, &dapr.SetStateItem{
		Key: key, Value: value, Etag: etag, Metadata: lifetime(sidecar.Options(opts).TTL),
		Options: &dapr.StateOptions{Concurrency: mode, Consistency: dapr.StateConsistencyStrong},
	})
}

func lifetime(ttl time.Duration) map[string]string {
	if ttl <= 0 {
		return nil
	}
	return map[string]string{"ttlInSeconds": strconv.Itoa(int(math.Ceil(ttl.Seconds())))}
}

// unavailable makes an error of the store one that a client may see, unless the caller has cancelled the call.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return err
	}
	return sidecar.StoreUnavailable(err)
}

// Kinds of stores that need a way of their own.
const (
	sqlite = "state.sqlite"
	redis  = "state.redis"
)

// turn waits for this writer's turn. SQLite takes one writer at a time; others sleep and try again, up to
// seconds under load, so the queue is better kept here. Other stores take all at once.
func (s *State) turn(ctx context.Context) (done func(), err error) {
	if s.kindOf(ctx) != sqlite {
		return func() {}, nil
	}
	select {
	case s.writer <- struct{}{}:
		return func() { <-s.writer }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// kindOf asks the sidecar once what kind of store this is; empty as long as it does not say.
func (s *State) kindOf(ctx context.Context) string {
	s.kindMu.Lock()
	defer s.kindMu.Unlock()
	if s.kind == "" {
		meta, err := s.c.dapr.GetMetadata(ctx)
		if err != nil {
			return ""
		}
		for _, c := range meta.RegisteredComponents {
			if c.Name == s.store {
				s.kind = c.Type
			}
		}
	}
	return s.kind
}

// Delete implements sidecar.State.
func (s *State) Delete(ctx context.Context, key, etag string) error {
	bounded, cancel := s.bound(ctx)
	defer cancel()
	done, err := s.turn(bounded)
	if err != nil {
		return unavailable(fmt.Errorf("delete %s: %w", key, err))
	}
	defer done()
	if etag == "" {
		if err := s.c.dapr.DeleteState(bounded, s.store, key, nil); err != nil {
			return unavailable(fmt.Errorf("delete %s: %w", key, err))
		}
		return nil
	}
	err = s.c.dapr.DeleteStateWithETag(bounded, s.store, key, &dapr.ETag{Value: etag}, nil,
		&dapr.StateOptions{Concurrency: dapr.StateConcurrencyFirstWrite, Consistency: dapr.StateConsistencyStrong})
	if err == nil {
		return nil
	}
	if silent(err) {
		return unavailable(fmt.Errorf("delete %s: %w", key, err))
	}
	now, readErr := s.Get(context.WithoutCancel(ctx), key)
	switch {
	case readErr != nil || now.ETag == etag:
		return unavailable(fmt.Errorf("delete %s: %w", key, err))
	case !now.Found():
		return nil
	}
	return sidecar.ErrStale
}
