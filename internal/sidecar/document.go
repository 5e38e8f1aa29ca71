package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haberdash/internal/fault"
)

// ErrCorrupt means that a stored document cannot be decoded. Update does not overwrite it: an operator must repair it.
var ErrCorrupt = errors.New("sidecar: a stored document cannot be decoded")

// StoreUnavailable returns the fault for a state store that does not answer (503). Every adapter of State returns it,
// so that services need not translate errors.
func StoreUnavailable(cause error) error {
	const detail = "The shop's store does not answer just now. Repeat the request."
	return fault.New(fault.Unavailable, "unavailable", detail).After(time.Second).Because(cause)
}

// maxConflicts is how often a change is tried while other writers change the same document. One of them succeeds in
// each round, so only a very busy document reaches this number.
const maxConflicts = 25

// RetryConflicts repeats a read-modify-write as long as attempt returns ErrStale or ErrExists, which means that another
// writer has changed the document in between. After 25 attempts it returns a fault of type unavailable (503).
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

// Save writes an item that was read before. It returns ErrStale if another writer has changed the item since, and
// ErrExists if the item has no ETag and another writer has created it.
func Save(ctx context.Context, s State, item Item) error {
	if item.Found() {
		return s.Put(ctx, item.Key, item.Value, item.ETag, TTL(item.TTL))
	}
	return s.Create(ctx, item.Key, item.Value, TTL(item.TTL))
}

// ReadJSON decodes the document of a key into doc and returns its ETag. If there is no document, it leaves doc as it is
// and returns no ETag. Error: ErrCorrupt.
func ReadJSON(ctx context.Context, s State, key string, doc any) (etag string, err error) {
	item, err := s.Get(ctx, key)
	if err != nil || !item.Found() {
		return "", err
	}
	return item.ETag, DecodeJSON(item, doc)
}

// DecodeJSON decodes the value of an item into doc. Error: ErrCorrupt.
func DecodeJSON(item Item, doc any) error {
	if err := json.Unmarshal(item.Value, doc); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, item.Key, err)
	}
	return nil
}

// Change changes a document, which is the zero T if it was not found. Update calls it again, with the document as it is
// stored then, after each conflict with another writer. Update returns the error to its caller, after the write if
// write is true.
type Change[T any] func(doc *T, found bool) (write bool, err error)

// Update reads the JSON document of a key, changes it and writes it. It starts again after a conflict with another
// writer. It returns the document as it is stored at the end. Errors: that of change, ErrCorrupt, or unavailable (503)
// after too many conflicts.
func Update[T any](ctx context.Context, s State, key string, change Change[T], opts ...PutOption) (T, error) {
	return update(ctx, s, key, change, false, opts)
}

// UpdateNew is like Update, for a document that probably does not exist: the first attempt does not read it.
func UpdateNew[T any](ctx context.Context, s State, key string, change Change[T], opts ...PutOption) (T, error) {
	return update(ctx, s, key, change, true, opts)
}

// update implements Update, and UpdateNew if absent is true.
func update[T any](
	ctx context.Context, s State, key string, change Change[T], absent bool, opts []PutOption,
) (T, error) {
	var doc T
	var changeErr error
	err := RetryConflicts(func() error {
		doc = *new(T)
		var etag string
		var err error
		if !absent {
			if etag, err = ReadJSON(ctx, s, key, &doc); err != nil {
				return err
			}
		}
		absent = false
		var write bool
		if write, changeErr = change(&doc, etag != ""); !write {
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
	return doc, changeErr
}
