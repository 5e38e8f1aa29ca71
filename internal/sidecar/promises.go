package sidecar

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrUnfit means that a state store breaks a promise that the shop needs. docs/infrastructure.md lists the promises.
var ErrUnfit = errors.New("the state store is not fit for the shop")

// probeLife is how long the store keeps the keys of CheckStore.
const probeLife = time.Minute

// CheckStore tries those promises of a state store that can be tried in nine calls, with keys of its own that expire.
// Errors: ErrUnfit with the promise that the store breaks, or that of a store that does not answer.
func CheckStore(ctx context.Context, s State) error {
	key := "probe-" + strings.ToLower(rand.Text())
	unfit := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s (docs/infrastructure.md)", ErrUnfit, fmt.Sprintf(format, args...))
	}
	create := func(key, value string) error { return s.Create(ctx, key, []byte(value), TTL(probeLife)) }
	if err := create(key, "1"); err != nil {
		return err
	}
	first, err := s.Get(ctx, key)
	switch {
	case err != nil:
		return err
	case string(first.Value) != "1":
		return unfit("it does not return what was written just before")
	}
	switch err := create(key, "2"); {
	case err == nil:
		return unfit("it creates a key that exists")
	case !errors.Is(err, ErrExists):
		return err
	}
	for _, other := range []struct{ key, what string }{
		{strings.ToUpper(key), "case"}, {key + " ", "a space at the end"}, {key + "é", "an accent"}, {key + "e", "an accent"},
	} {
		switch err := create(other.key, other.key); {
		case errors.Is(err, ErrExists):
			return unfit("it takes keys for the same that differ in %s", other.what)
		case err != nil:
			return err
		}
	}
	if err := s.Put(ctx, key, []byte("3"), first.ETag, TTL(probeLife)); err != nil {
		return err
	}
	switch err := s.Put(ctx, key, []byte("4"), first.ETag, TTL(probeLife)); {
	case err == nil:
		return unfit("it writes over a version that has changed")
	case !errors.Is(err, ErrStale):
		return err
	}
	return nil
}
