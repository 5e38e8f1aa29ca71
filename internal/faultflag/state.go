package faultflag

import (
	"context"
	"errors"

	"haberdash/internal/sidecar"
)

// State returns a state store that has the faults SlowStore and FullDisk.
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

// beforeWrite waits as long as a slow store would, and refuses the write if the disk is full.
func (s faultyState) beforeWrite(ctx context.Context) error {
	if err := s.beforeRead(ctx); err != nil {
		return err
	}
	if s.flags.value(ctx, FullDisk) != 0 {
		return sidecar.StoreUnavailable(errFull)
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
	if err := s.beforeWrite(ctx); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, opts...)
}

// Put implements sidecar.State.
func (s faultyState) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if err := s.beforeWrite(ctx); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

// PutMany implements sidecar.State.
func (s faultyState) PutMany(ctx context.Context, items []sidecar.Item) error {
	if err := s.beforeWrite(ctx); err != nil {
		return err
	}
	return s.State.PutMany(ctx, items)
}

// PutManyIf implements sidecar.State.
func (s faultyState) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	if err := s.beforeWrite(ctx); err != nil {
		return err
	}
	return s.State.PutManyIf(ctx, items)
}

// Delete implements sidecar.State.
func (s faultyState) Delete(ctx context.Context, key, etag string) error {
	if err := s.beforeWrite(ctx); err != nil {
		return err
	}
	return s.State.Delete(ctx, key, etag)
}
