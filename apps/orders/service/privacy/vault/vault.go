// Package vault keeps the keys with which orders seals personal data. Destroying a key erases what was sealed with it,
// in every copy: in the log, in documents, with the broker and in backups.
//
// Rules:
//
//  1. A customer's contact has one key, "contact/<customer>#0". A guest's order has its own key, "guests/<id>#<n>".
//     Guest keys are made in batches, so that few orders write one.
//  2. Data that tax law wants kept has a key for each calendar year, "invoice/<year>#0".
//  3. A key is made by put-if-absent, and destroyed by overwriting it. Its document stays, so no new key gets its
//     name. A writer that uses a key while it is destroyed gets an error, or seals something that nobody can read.
//  4. Documents have the keys in sealed form. The key for that is derived from a secret of the secret store.
//  5. A process reads a key again after a second. A key that it read up to a minute ago is used only while the store
//     does not answer; nobody can destroy a key then.
package vault

import (
	"context"
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

// ErrDestroyed means that a key is destroyed, and so is what it sealed.
var ErrDestroyed = errors.New("vault: the key is destroyed")

const (
	freshFor    = time.Second            // rule 5
	usableFor   = time.Minute            // rule 5, while the store does not answer
	readTimeout = 500 * time.Millisecond // for reading a key again that is usable as it is
	cacheSize   = 1000                   // documents
)

// Vault is one replica's access to the keys, which are the same for all replicas. It is safe for concurrent use.
type Vault struct {
	state sidecar.State
	box   seal.Box // seals the keys
	newID func() string
	now   func() time.Time
	cache *otter.Cache[string, cached]

	making    singleflight.Group
	mu        sync.Mutex
	guestKeys []Key // made, and not used yet
}

// document is a stored list of sealed keys. A destroyed key is null.
type document struct {
	Keys [][]byte `json:"keys"`
}

// cached is a document and when it was read. Its keys are sealed.
type cached struct {
	document
	at time.Time
}

func (v *Vault) store(name string, d document) { v.cache.Set(name, cached{d, v.now()}) }

// New makes a vault. newID returns unique names.
func New(state sidecar.State, secret string, newID func() string, now func() time.Time) (*Vault, error) {
	box, err := seal.FromSecret(secret, "haberdash orders vault 1")
	if err != nil {
		return nil, err
	}
	return &Vault{state: state, box: box, newID: newID, now: now,
		cache: otter.Must(&otter.Options[string, cached]{MaximumSize: cacheSize})}, nil
}

// Key seals and opens values. Its name is "<document>#<number>".
type Key struct {
	name string
	box  seal.Box
}

// Seal seals a value under a name, which Open needs too: so a sealed value cannot be put in the place of another.
func (k Key) Seal(plain []byte, name string) order.Sealed {
	return order.Sealed{Key: k.name, Data: k.box.Seal(plain, name)}
}

// Open opens a value that was sealed with the key under the name.
func (k Key) Open(s order.Sealed, name string) ([]byte, error) {
	if s.Key != k.name {
		return nil, fmt.Errorf("%w: sealed with %s, not with %s", seal.ErrClosed, s.Key, k.name)
	}
	return k.box.Open(s.Data, name)
}

func contactDocument(customer string) string { return "contact/" + customer }
func invoiceDocument(year int) string        { return "invoice/" + strconv.Itoa(year) }

func keyName(document string, n int) string { return document + "#" + strconv.Itoa(n) }

// ContactKeyName names a customer's key.
func ContactKeyName(customer string) string { return keyName(contactDocument(customer), 0) }

// InvoiceKeyName names a year's key.
func InvoiceKeyName(year int) string { return keyName(invoiceDocument(year), 0) }

func splitKeyName(name string) (document string, n int, err error) {
	i := strings.LastIndexByte(name, '#')
	if i <= 0 {
		return "", 0, fmt.Errorf("vault: %q is not the name of a key", name)
	}
	if n, err = strconv.Atoi(name[i+1:]); err != nil || n < 0 || n >= guestBatch {
		return "", 0, fmt.Errorf("vault: %q is not the name of a key", name)
	}
	return name[:i], n, nil
}

// open opens a key of a document. Error: ErrDestroyed, also for a key that was never made.
func (v *Vault) open(name string, d document, n int) (Key, error) {
	if n >= len(d.Keys) || d.Keys[n] == nil {
		return Key{}, ErrDestroyed
	}
	key := keyName(name, n)
	plain, err := v.box.Open(d.Keys[n], key)
	if err != nil {
		return Key{}, fmt.Errorf("vault: key %s cannot be opened: it was sealed with another secret, or altered: set ID_KEY "+
			"to the secret with which this store was written (make up keeps it in secrets.env of the run directory)", key)
	}
	box, err := seal.New(plain)
	return Key{key, box}, err
}

// generate generates the keys of a document, and does not store it.
func (v *Vault) generate(name string, n int) (d document, keys []Key, err error) {
	for i := range n {
		plain, key := seal.NewKey(), keyName(name, i)
		box, err := seal.New(plain)
		if err != nil {
			return d, nil, err
		}
		d.Keys, keys = append(d.Keys, v.box.Seal(plain, key)), append(keys, Key{key, box})
	}
	return d, keys, nil
}

// Destroy destroys a key for good, also one that was never made. A repetition changes nothing.
func (v *Vault) Destroy(ctx context.Context, keyName string) error {
	name, n, err := splitKeyName(keyName)
	if err != nil {
		return err
	}
	_, err = sidecar.Update(ctx, v.state, name, func(d *document, found bool) (write bool, err error) {
		switch {
		case !found:
			d.Keys = make([][]byte, n+1)
		case n >= len(d.Keys) || d.Keys[n] == nil:
			return false, nil
		default:
			d.Keys[n] = nil
		}
		return true, nil
	})
	v.cache.Invalidate(name)
	return err
}
