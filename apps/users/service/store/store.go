// Package store keeps the users service's documents in a state store. There is no listing and no
// transaction: each document stands alone, and where two belong together the order of writing makes a
// crash between them harmless (see Claim).
//
//	user/<id>            the account
//	email/<digest>       the Claim: which account a mailbox signs in to
//	sessions/<user id>   the customer's sessions
//	token/<digest>       a mailed token, until it expires
//	attempts/<kind>/<digest>
//	administrator/<digest>  the first administrator of that mailbox was made
//	directory/<n>        the n-th account's id; directory-tail is a hint where they end
//	signing-keys         the ring (see keyring)
//	log/users/<n>        the trail (see commitlog), with what lies behind it
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Store reads and writes the documents. Errors other than those named at the methods are outages.
type Store struct {
	state sidecar.State
	dir   directory
}

// New makes a store.
func New(state sidecar.State) *Store { return &Store{state: state} }

// contention bounds how often a lost conditional write is tried again.
const contention = 25

// errContended is the answer when others keep changing one document faster than we can.
var errContended = fault.New(fault.Unavailable, "unavailable", "Too many changes at once. Try again.").After(time.Second)

// outage makes any error of the state store a fault that says to come back.
func outage(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || errors.Is(err, sidecar.ErrExists) || errors.Is(err, sidecar.ErrStale) {
		return err
	}
	return fault.New(fault.Unavailable, "unavailable", "The shop's accounts cannot be reached just now.").After(time.Second).Because(err)
}

// get decodes a document into v. found is false, and v untouched, if there is none.
func (s *Store) get(ctx context.Context, key string, v any) (etag string, found bool, err error) {
	item, err := s.state.Get(ctx, key)
	if err != nil {
		return "", false, outage(err)
	}
	if !item.Found() {
		return "", false, nil
	}
	return item.ETag, true, decode(item, v)
}

func decode(item sidecar.Item, v any) error {
	if err := json.Unmarshal(item.Value, v); err != nil {
		return fmt.Errorf("decode %s: %w", item.Key, err)
	}
	return nil
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // documents are plain structs
	}
	return b
}

// create writes a document that must not exist: sidecar.ErrExists.
func (s *Store) create(ctx context.Context, key string, v any, opts ...sidecar.PutOption) error {
	return outage(s.state.Create(ctx, key, encode(v), opts...))
}

// change reads a document, lets f change it and writes it back, again until nobody came between. f gets
// the zero T if there is none, and says whether to write; its error is returned after the write.
func change[T any](ctx context.Context, s *Store, key string, f func(doc *T, found bool) (write bool, err error), opts ...sidecar.PutOption) error {
	for range contention {
		var doc T
		etag, found, err := s.get(ctx, key, &doc)
		if err != nil {
			return err
		}
		write, refusal := f(&doc, found)
		if !write {
			return refusal
		}
		if found {
			err = s.state.Put(ctx, key, encode(doc), etag, opts...)
		} else {
			err = s.state.Create(ctx, key, encode(doc), opts...)
		}
		switch {
		case err == nil:
			return refusal
		case !errors.Is(err, sidecar.ErrStale) && !errors.Is(err, sidecar.ErrExists):
			return outage(err)
		}
	}
	return errContended
}

// digest stands for personal data and secrets in keys.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
