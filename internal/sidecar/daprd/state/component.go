package state

import "context"

// Types of components that the adapter treats in their own way.
const (
	sqlite   = "state.sqlite"
	redis    = "state.redis"
	postgres = "state.postgresql"
)

// component returns the type of the store's component. It asks the sidecar and remembers the answer. The type is empty
// if the sidecar has no such component.
func (s *Store) component(ctx context.Context) (string, error) {
	if kind := s.kind.Load(); kind != nil {
		return *kind, nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	meta, err := s.sidecar.GetMetadata(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range meta.RegisteredComponents {
		if c.Name == s.name {
			s.kind.Store(&c.Type)
			return c.Type, nil
		}
	}
	return "", nil
}

// acquireWriter waits until the store accepts a write, and returns the function to call after the write. SQLite has one
// writer at a time: concurrent writers sleep and try again, under load for seconds, so the adapter lets them wait here.
// Other stores accept any number of writers.
func (s *Store) acquireWriter(ctx context.Context) (release func(), err error) {
	kind, err := s.component(ctx)
	if err != nil {
		return nil, err
	}
	if kind != sqlite {
		return func() {}, nil
	}
	select {
	case s.writer <- struct{}{}:
		return func() { <-s.writer }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
