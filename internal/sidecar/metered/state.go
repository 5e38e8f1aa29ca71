package metered

import (
	"context"
	"time"

	"haberdash/internal/sidecar"
)

// State measures the calls of a state store, which is the component of that name.
func (c *Calls) State(next sidecar.State, component string) sidecar.State {
	return &state{
		next: next, get: c.of("get", component), getMany: c.of("get-many", component), set: c.of("set", component),
		create: c.of("create", component), transaction: c.of("transaction", component), delete: c.of("delete", component),
	}
}

type state struct {
	next                                           sidecar.State
	get, getMany, set, create, transaction, delete *operation
}

// Get implements sidecar.State.
func (s *state) Get(ctx context.Context, key string) (sidecar.Item, error) {
	began := time.Now()
	item, err := s.next.Get(ctx, key)
	result := outcomeOf(ctx, err)
	if err == nil && !item.Found() {
		result = notFound
	}
	s.get.observe(began, result)
	return item, err
}

// GetMany implements sidecar.State.
func (s *state) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	began := time.Now()
	items, err := s.next.GetMany(ctx, keys)
	s.getMany.observe(began, outcomeOf(ctx, err))
	return items, err
}

// Create implements sidecar.State.
func (s *state) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	began := time.Now()
	err := s.next.Create(ctx, key, value, opts...)
	s.create.observe(began, outcomeOf(ctx, err))
	return err
}

// Put implements sidecar.State.
func (s *state) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	began := time.Now()
	err := s.next.Put(ctx, key, value, etag, opts...)
	s.set.observe(began, outcomeOf(ctx, err))
	return err
}

// PutMany implements sidecar.State.
func (s *state) PutMany(ctx context.Context, items []sidecar.Item) error {
	began := time.Now()
	err := s.next.PutMany(ctx, items)
	s.transaction.observe(began, outcomeOf(ctx, err))
	return err
}

// PutManyIf implements sidecar.State.
func (s *state) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	began := time.Now()
	err := s.next.PutManyIf(ctx, items)
	s.transaction.observe(began, outcomeOf(ctx, err))
	return err
}

// Delete implements sidecar.State.
func (s *state) Delete(ctx context.Context, key, etag string) error {
	began := time.Now()
	err := s.next.Delete(ctx, key, etag)
	s.delete.observe(began, outcomeOf(ctx, err))
	return err
}
