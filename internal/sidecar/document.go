package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haberdash/internal/fault"
)

// ErrCorrupt means that a stored document cannot be decoded. Nothing replaces it: a person must look at it.
var ErrCorrupt = errors.New("sidecar: a stored document cannot be decoded")

// StoreUnavailable is the fault for a store that does not answer. Adapters return it, so that services pass their
// errors on as they are.
func StoreUnavailable(cause error) error {
	return fault.New(fault.Unavailable, "unavailable", "The shop's store does not answer just now. Repeat the request.").
		After(time.Second).Because(cause)
}

// maxConflicts is how many times a change is tried when other writers change the same document. One of the
// contending writers always succeeds, so only a very busy document reaches this number.
const maxConflicts = 25

// RetryConflicts runs a read-modify-write again until no other writer has changed the document in between: as long as
// attempt returns ErrStale or ErrExists. After 25 attempts it returns a fault of type unavailable (503).
func RetryConflicts(attempt func() error) error {
	var err error
	for range maxConflicts {
		if err = attempt(); !errors.Is(err, ErrStale) && !errors.Is(err, ErrExists) {
			return err
		}
	}
	return fault.New(fault.Unavailable, "unavailable", "Too many requests change this at once. Repeat the request.").
		After(time.Second).Because(err)
}

// Save writes an item whose ETag was read before: ErrStale if another writer has replaced the value since, and for an
// item without an ETag ErrExists if another writer has created it.
func Save(ctx context.Context, s State, item Item) error {
	if item.Found() {
		return s.Put(ctx, item.Key, item.Value, item.ETag, TTL(item.TTL))
	}
	return s.Create(ctx, item.Key, item.Value, TTL(item.TTL))
}

// ReadJSON decodes the document of a key into doc and returns its ETag. A missing document leaves doc as it is and has
// no ETag. Error: ErrCorrupt.
func ReadJSON(ctx context.Context, s State, key string, doc any) (etag string, err error) {
	item, err := s.Get(ctx, key)
	if err != nil || !item.Found() {
		return "", err
	}
	return item.ETag, DecodeJSON(item, doc)
}

// DecodeJSON decodes an item that was read. Error: ErrCorrupt.
func DecodeJSON(item Item, doc any) error {
	if err := json.Unmarshal(item.Value, doc); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, item.Key, err)
	}
	return nil
}

// Change is one attempt to change a document, which is the zero T if it was not found. It may run several times, each
// time on what is stored by then. An error is returned to the caller of Update, after the write if write is true.
type Change[T any] func(doc *T, found bool) (write bool, err error)

// Update reads the JSON document of a key, changes it and writes it back, and repeats that while other writers change
// it too. It returns the document as it is stored then. Errors: ErrCorrupt, or unavailable (503) after too many
// conflicts.
func Update[T any](ctx context.Context, s State, key string, change Change[T], opts ...PutOption) (T, error) {
	return update(ctx, s, key, change, false, opts)
}

// UpdateNew is Update for a document that most probably does not exist: the first attempt assumes so and saves a read.
func UpdateNew[T any](ctx context.Context, s State, key string, change Change[T], opts ...PutOption) (T, error) {
	return update(ctx, s, key, change, true, opts)
}

func update[T any](ctx context.Context, s State, key string, change Change[T], absent bool, opts []PutOption) (T, error) {
	var doc T
	var refused error
	err := RetryConflicts(func() error {
		var none T
		var etag string
		var err error
		doc = none
		if !absent {
			if etag, err = ReadJSON(ctx, s, key, &doc); err != nil {
				return err
			}
		}
		absent = false
		var write bool
		if write, refused = change(&doc, etag != ""); !write {
			return nil
		}
		value, err := json.Marshal(doc)
		if err != nil {
			return fmt.Errorf("encode %s: %w", key, err)
		}
		return Save(ctx, s, Item{Key: key, Value: value, ETag: etag, TTL: Options(opts).TTL})
	})
	if err != nil {
		return doc, err
	}
	return doc, refused
}
