package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"haberdash/internal/sidecar"
)

// Kinds of things that are accepted once.
const (
	UsedTicket = "ticket"
	UsedCode   = "code" // of an authenticator app, by factor and time step
)

func usedKey(kind, subject string) string { return "used/" + kind + "/" + digest(subject) }

// UseOnce marks a thing as used, for the time ttl. Of any number of concurrent calls exactly one returns true. mark is
// different in each call.
func (s *Store) UseOnce(ctx context.Context, kind, subject, mark string, ttl time.Duration) (first bool, err error) {
	value, err := json.Marshal(mark)
	if err != nil {
		return false, err
	}
	err = s.state.Create(ctx, usedKey(kind, subject), value, sidecar.TTL(ttl))
	if errors.Is(err, sidecar.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

// Used reports whether a thing is marked as used.
func (s *Store) Used(ctx context.Context, kind, subject string) (bool, error) {
	item, err := s.state.Get(ctx, usedKey(kind, subject))
	return item.Found(), err
}
