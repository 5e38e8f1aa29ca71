// Package vault keeps the keys that orders seals personal data with. To destroy a key is to erase what was sealed
// with it, wherever that has been copied to: log, documents, broker, backups.
//
// Rules:
//
//  1. A customer's contact has one key, "contact/<customer>#0". A guest's order has one of its own, "guests/<id>#<n>":
//     those are made by the dozen, so that few orders write one.
//  2. What tax law wants kept has a key of the calendar year, "invoice/<year>#0".
//  3. A key is made by put-if-absent, and destroyed by overwriting: its document stays, so that no new one takes its
//     name. Whoever races with a destruction seals what nobody can read, or is told.
//  4. Documents have keys sealed with the service's own, which comes from the secret store.
//  5. A process reads a key anew after a second. What it remembers for a minute is for when the store does not answer;
//     by then nobody can destroy a key either.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/seal"
	"haberdash/internal/sidecar"
)

// ErrDestroyed says that a key is gone, and what it sealed with it.
var ErrDestroyed = errors.New("vault: the key is destroyed")

// fresh and stale are rule 5, patience is how long the store may take to say something newer, and remember is how many
// documents are remembered.
const (
	fresh    = time.Second
	stale    = time.Minute
	patience = 500 * time.Millisecond
	remember = 1000
)

// Vault is a replica's view of the keys; every replica sees the same ones. Its methods may be called at the same time.
type Vault struct {
	state  sidecar.State
	own    seal.Box
	newID  func() string
	now    func() time.Time
	recent *otter.Cache[string, memory]

	making singleflight.Group
	mu     sync.Mutex
	guests []Key // made, and not used yet
}

// document is a stored list of keys, sealed; one that is destroyed is null.
type document struct {
	Keys [][]byte `json:"keys"`
}

// memory is a document, still sealed, as it was read at a time.
type memory struct {
	document
	at time.Time
}

func (v *Vault) remember(doc string, d document) { v.recent.Set(doc, memory{d, v.now()}) }

// New makes a vault whose own key derives from a secret. newID gives names that are unique.
func New(state sidecar.State, secret string, newID func() string, now func() time.Time) (*Vault, error) {
	own, err := seal.FromSecret(secret, "haberdash orders vault 1")
	if err != nil {
		return nil, err
	}
	return &Vault{state: state, own: own, newID: newID, now: now,
		recent: otter.Must(&otter.Options[string, memory]{MaximumSize: remember})}, nil
}

// Key is a key by its name, "<document>#<number>".
type Key struct {
	name string
	box  seal.Box
}

// Seal seals a value under a name of its own, which opening it takes too.
func (k Key) Seal(plain []byte, as string) order.Sealed {
	return order.Sealed{Key: k.name, Data: k.box.Seal(plain, as)}
}

// Open opens a value that was sealed with the key.
func (k Key) Open(s order.Sealed, as string) ([]byte, error) {
	if s.Key != k.name {
		return nil, fmt.Errorf("%w: sealed with %s, not with %s", seal.ErrClosed, s.Key, k.name)
	}
	return k.box.Open(s.Data, as)
}

func contactOf(customer string) string { return "contact/" + customer }
func invoicesOf(year int) string       { return "invoice/" + strconv.Itoa(year) }
func keyName(doc string, n int) string { return doc + "#" + strconv.Itoa(n) }

// ContactKey names a customer's key.
func ContactKey(customer string) string { return keyName(contactOf(customer), 0) }

// InvoiceKey names a year's key.
func InvoiceKey(year int) string { return keyName(invoicesOf(year), 0) }

func splitName(name string) (doc string, n int, err error) {
	i := strings.LastIndexByte(name, '#')
	if i <= 0 {
		return "", 0, fmt.Errorf("vault: %q is not the name of a key", name)
	}
	if n, err = strconv.Atoi(name[i+1:]); err != nil || n < 0 || n >= dozen {
		return "", 0, fmt.Errorf("vault: %q is not the name of a key", name)
	}
	return name[:i], n, nil
}

// open takes a key out of its document. Errors: ErrDestroyed, also of one that was never made.
func (v *Vault) open(d document, doc string, n int) (Key, error) {
	if n >= len(d.Keys) || d.Keys[n] == nil {
		return Key{}, ErrDestroyed
	}
	name := keyName(doc, n)
	plain, err := v.own.Open(d.Keys[n], name)
	if err != nil {
		return Key{}, fmt.Errorf("vault: key %s cannot be opened: it was sealed with another secret, or altered", name)
	}
	box, err := seal.New(plain)
	return Key{name, box}, err
}

// make makes a document of new keys, which is not stored yet.
func (v *Vault) make(doc string, n int) (d document, keys []Key, err error) {
	for i := range n {
		plain, name := seal.NewKey(), keyName(doc, i)
		box, err := seal.New(plain)
		if err != nil {
			return d, nil, err
		}
		d.Keys, keys = append(d.Keys, v.own.Seal(plain, name)), append(keys, Key{name, box})
	}
	return d, keys, nil
}

func decode(item sidecar.Item) (d document, err error) {
	if err := json.Unmarshal(item.Value, &d); err != nil {
		return d, fmt.Errorf("vault: document %s: %w", item.Key, err)
	}
	return d, nil
}

// Destroy destroys a key for good, made or not. A repetition changes nothing.
func (v *Vault) Destroy(ctx context.Context, name string) error {
	doc, n, err := splitName(name)
	if err != nil {
		return err
	}
	for range attempts {
		item, err := v.state.Get(ctx, doc)
		if err != nil {
			return err
		}
		d := document{Keys: make([][]byte, n+1)}
		if item.Found() {
			if d, err = decode(item); err != nil {
				return err
			}
			if n >= len(d.Keys) || d.Keys[n] == nil {
				return nil
			}
			d.Keys[n] = nil
		}
		err = v.write(ctx, doc, d, item.ETag)
		v.recent.Invalidate(doc)
		if !errors.Is(err, sidecar.ErrStale) && !errors.Is(err, sidecar.ErrExists) {
			return err
		}
	}
	return fmt.Errorf("vault: %s is changed by too many at once", doc)
}

// attempts bounds how often a destruction meets somebody who makes the key, or destroys another of the document.
const attempts = 10

func (v *Vault) write(ctx context.Context, doc string, d document, etag string) error {
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if etag == "" {
		return v.state.Create(ctx, doc, value)
	}
	return v.state.Put(ctx, doc, value, etag)
}
