// Package store reads and writes the documents of the users service in its state store. A state store has neither lists
// nor transactions. Documents that belong together are written in an order that makes a crash in between harmless (see
// Claim).
//
//	user/<id>               the account
//	email/<digest>          the claim on a mailbox: which account has it
//	sessions/<user id>      the sessions of a user
//	origins/<user id>       digests of the addresses from which a user has signed in
//	token/<digest>          a mailed token, until it expires
//	attempts/<kind>/<digest>  the number of attempts of a kind, such as sign-ins
//	used/<kind>/<digest>    the mark that a code or ticket of a second factor was used, until it expires
//	administrator/<digest>  the mark that the first administrator with this mailbox was made
//
// The other documents of the service are those of the packages directory, keyring and commitlog.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"haberdash/internal/sidecar"
)

// Store reads and writes documents. Its methods return the errors of the state store. It is safe for concurrent use.
type Store struct{ state sidecar.State }

// New makes a store.
func New(state sidecar.State) *Store { return &Store{state} }

// save writes a document whose ETag was read, or creates one if the ETag is empty. Errors: as sidecar.Save.
func (s *Store) save(ctx context.Context, key string, doc any, etag string, opts ...sidecar.PutOption) error {
	value, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return sidecar.Save(ctx, s.state, sidecar.Item{Key: key, Value: value, ETag: etag, TTL: sidecar.Options(opts).TTL})
}

// digest replaces personal data and secrets in keys.
func digest(text string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s", len(text), text))
	return hex.EncodeToString(sum[:])
}
