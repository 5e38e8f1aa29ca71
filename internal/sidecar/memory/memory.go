// Package memory implements the ports of internal/sidecar in memory, for tests: apps in one process call each other,
// publish and receive messages, and store state. It passes the same conformance suites (package sidecartest) as Dapr.
package memory

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"haberdash/internal/sidecar"
)

// State implements sidecar.State in memory. It copies values when it stores and when it returns them.
type State struct {
	mu    sync.Mutex
	items map[string]entry
	seq   uint64 // number of writes; each is an ETag
	now   func() time.Time
}

type entry struct {
	value   []byte
	etag    string
	expires time.Time
}

// NewState creates an empty store.
func NewState() *State { return &State{items: map[string]entry{}, now: time.Now} }

var _ sidecar.State = (*State)(nil)

func clone(b []byte) []byte { return append([]byte{}, b...) }

// contextError returns the error of an operation whose context has ended.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return sidecar.StoreUnavailable(err)
	}
	return err
}

// find returns the entry of a key, unless it has expired.
func (s *State) find(key string) (entry, bool) {
	e, ok := s.items[key]
	if ok && !e.expires.IsZero() && !s.now().Before(e.expires) {
		delete(s.items, key)
		return entry{}, false
	}
	return e, ok
}

func (s *State) set(key string, value []byte, opts []sidecar.PutOption) {
	s.seq++
	e := entry{value: clone(value), etag: strconv.FormatUint(s.seq, 10)}
	if ttl := sidecar.Options(opts).TTL; ttl > 0 {
		e.expires = s.now().Add(ttl)
	}
	s.items[key] = e
}

// All returns all values by key, for tests that search the store for personal data.
func (s *State) All() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for key := range s.items {
		if e, ok := s.find(key); ok {
			all[key] = string(e.value)
		}
	}
	return all
}

// Get implements sidecar.State.
func (s *State) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := contextError(ctx); err != nil {
		return sidecar.Item{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.find(key); ok {
		return sidecar.Item{Key: key, Value: clone(e.value), ETag: e.etag}, nil
	}
	return sidecar.Item{Key: key}, nil
}

// GetMany implements sidecar.State.
func (s *State) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	items := make(map[string]sidecar.Item, len(keys))
	for _, key := range keys {
		item, err := s.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if item.Found() {
			items[key] = item
		}
	}
	return items, nil
}

// Create implements sidecar.State.
func (s *State) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.find(key); ok {
		return sidecar.ErrExists
	}
	s.set(key, value, opts)
	return nil
}

// Put implements sidecar.State.
func (s *State) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, _ := s.find(key); etag != "" && e.etag != etag {
		return sidecar.ErrStale
	}
	s.set(key, value, opts)
	return nil
}

// PutMany implements sidecar.State.
func (s *State) PutMany(ctx context.Context, items []sidecar.Item) error {
	for _, item := range items {
		if err := s.Put(ctx, item.Key, item.Value, "", sidecar.TTL(item.TTL)); err != nil {
			return err
		}
	}
	return nil
}

// PutManyIf implements sidecar.State.
func (s *State) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	for _, item := range items {
		var err error
		if item.ETag == "" {
			err = s.Create(ctx, item.Key, item.Value, sidecar.TTL(item.TTL))
		} else {
			err = s.Put(ctx, item.Key, item.Value, item.ETag, sidecar.TTL(item.TTL))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Delete implements sidecar.State.
func (s *State) Delete(ctx context.Context, key, etag string) error {
	if err := contextError(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.find(key)
	if ok && etag != "" && e.etag != etag {
		return sidecar.ErrStale
	}
	delete(s.items, key)
	return nil
}

// Secrets implements sidecar.Secrets with fixed values.
type Secrets map[string]string

// Secret implements sidecar.Secrets.
func (s Secrets) Secret(_ context.Context, name string) (string, error) {
	if v := s[name]; v != "" {
		return v, nil
	}
	return "", fmt.Errorf("secret %s: not in the secret store", name)
}
