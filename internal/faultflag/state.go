package faultflag

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"haberdash/internal/sidecar"
)

// State returns a state store that has the faults SlowStore, FullDisk, RefusedDocuments and PausedProjections.
func (f *Flags) State(s sidecar.State) sidecar.State {
	if f == nil {
		return s
	}
	return faultyState{s, f}
}

type faultyState struct {
	sidecar.State
	flags *Flags
}

// errFull is what the store's sidecar reports when a disk is full.
var errFull = errors.New("no space left on device (fault flag full-disk)")

// beforeRead waits as long as a slow store would.
func (s faultyState) beforeRead(ctx context.Context) error {
	if err := s.flags.SlowDown(ctx, SlowStore); err != nil {
		return sidecar.StoreUnavailable(err)
	}
	return nil
}

// refusals are the flags that refuse some keys, and how these begin: see the package commitlog.
var refusals = []struct {
	flag   Flag
	prefix string
}{{RefusedDocuments, "doc/"}, {PausedProjections, "view/"}}

// beforeWrite waits as long as a slow store would, and refuses the write if the disk is full or the store refuses one
// of the keys.
func (s faultyState) beforeWrite(ctx context.Context, keys ...string) error {
	if err := s.beforeRead(ctx); err != nil {
		return err
	}
	if s.flags.value(ctx, FullDisk) != 0 {
		return sidecar.StoreUnavailable(errFull)
	}
	for _, r := range refusals {
		if s.flags.value(ctx, r.flag) == 0 {
			continue
		}
		for _, key := range keys {
			if strings.HasPrefix(key, r.prefix) {
				return sidecar.StoreUnavailable(fmt.Errorf("the store refuses %s (fault flag %s)", key, r.flag.Name))
			}
		}
	}
	return nil
}

// Get implements sidecar.State.
func (s faultyState) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := s.beforeRead(ctx); err != nil {
		return sidecar.Item{}, err
	}
	return s.State.Get(ctx, key)
}

// GetMany implements sidecar.State.
func (s faultyState) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if err := s.beforeRead(ctx); err != nil {
		return nil, err
	}
	return s.State.GetMany(ctx, keys)
}

// Create implements sidecar.State.
func (s faultyState) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := s.beforeWrite(ctx, key); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, opts...)
}

// Put implements sidecar.State.
func (s faultyState) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if err := s.beforeWrite(ctx, key); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

// PutMany implements sidecar.State.
func (s faultyState) PutMany(ctx context.Context, items []sidecar.Item) error {
	if err := s.beforeWrite(ctx, keysOf(items)...); err != nil {
		return err
	}
	return s.State.PutMany(ctx, items)
}

// PutManyIf implements sidecar.State.
func (s faultyState) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if err := s.beforeWrite(ctx, keysOf(items)...); err != nil {
		return err
	}
	return s.State.PutManyIf(ctx, items)
}

// Delete implements sidecar.State.
func (s faultyState) Delete(ctx context.Context, key, etag string) error {
	if err := s.beforeWrite(ctx, key); err != nil {
		return err
	}
	return s.State.Delete(ctx, key, etag)
}

func keysOf(items []sidecar.Item) []string {
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = item.Key
	}
	return keys
}
