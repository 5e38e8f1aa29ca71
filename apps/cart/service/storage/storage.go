// Package storage stores carts in the state store of the service, one document for each cart.
//
// The id of a guest's cart is its secret. A document's key is therefore a hash of the id, and neither the store nor an
// error text reveals the id.
package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// Lifetimes of carts after their last change. Other carts never expire.
const (
	GuestTTL  = 30 * 24 * time.Hour
	ClosedTTL = 24 * time.Hour // longer than the access tokens of a deleted customer are valid
)

// DefaultCurrency is the currency of a cart that is created without one.
const DefaultCurrency = "EUR"

// Cart is a cart with its id. It may not be stored yet.
type Cart struct {
	*cart.Cart
	ID   string
	etag string // empty if the cart is not stored
}

// NewGuestCart makes an empty cart without an owner; it is not stored. The id must be unguessable. Error: as cart.New.
func NewGuestCart(id, currency string) (Cart, error) {
	c, err := cart.New("", currency)
	return Cart{Cart: c, ID: id}, err
}

// Hash identifies the cart where its id must not appear.
func (c Cart) Hash() string { return hash(c.ID) }

// CustomerCartID returns the id of a customer's cart. It is not a secret, because only its owner may use the cart.
func CustomerCartID(user string) string { return "c" + hash("customer/"+user) }

// Key returns the key of a cart's document.
func Key(id string) string { return "cart/" + hash(id) }

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// Item returns the cart as it is stored.
func (c Cart) Item() (sidecar.Item, error) {
	value, err := json.Marshal(c.Snapshot())
	if err != nil {
		return sidecar.Item{}, fmt.Errorf("encode cart: %w", err)
	}
	item := sidecar.Item{Key: Key(c.ID), Value: value, ETag: c.etag}
	switch {
	case c.Guest():
		item.TTL = GuestTTL
	case c.Closed():
		item.TTL = ClosedTTL
	}
	return item, nil
}

// Carts reads and writes carts. It is safe for concurrent use.
type Carts struct{ state sidecar.State }

// New makes Carts that store in state.
func New(state sidecar.State) Carts { return Carts{state} }

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// Load reads a cart of any owner. Error: not-found (404).
func (s Carts) Load(ctx context.Context, id string) (Cart, error) {
	if !validID.MatchString(id) {
		return Cart{}, fault.Missing("cart")
	}
	item, err := s.state.Get(ctx, Key(id))
	if err != nil {
		return Cart{}, err
	}
	return decode(id, item)
}

// LoadVisible reads a cart that the user, empty for a guest, may see. Error: not-found (404), also for the carts of
// others.
func (s Carts) LoadVisible(ctx context.Context, id, user string) (Cart, error) {
	c, err := s.Load(ctx, id)
	if err == nil && !c.VisibleTo(user) {
		return Cart{}, fault.Missing("cart")
	}
	return c, err
}

// LoadMany reads carts with one call of the store. The result has those that exist, by id.
func (s Carts) LoadMany(ctx context.Context, ids []string) (map[string]Cart, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = Key(id)
	}
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	carts := map[string]Cart{}
	for i, id := range ids {
		if item, found := items[keys[i]]; found {
			if carts[id], err = decode(id, item); err != nil {
				return nil, err
			}
		}
	}
	return carts, nil
}

func decode(id string, item sidecar.Item) (Cart, error) {
	if !item.Found() {
		return Cart{}, fault.Missing("cart")
	}
	var snapshot cart.Snapshot
	if err := sidecar.DecodeJSON(item, &snapshot); err != nil {
		return Cart{}, err
	}
	return Cart{cart.Restore(snapshot), id, item.ETag}, nil
}

// LoadCustomerCart reads a customer's cart. If there is none, it makes an empty one of the currency, which is not
// stored. Error: not-found (404) if the cart is closed.
func (s Carts) LoadCustomerCart(ctx context.Context, user, currency string) (Cart, error) {
	c, err := s.Load(ctx, CustomerCartID(user))
	if fault.Is(err, "not-found") {
		empty, err := cart.New(user, currency)
		return Cart{Cart: empty, ID: CustomerCartID(user)}, err
	}
	if err == nil && c.Closed() {
		return Cart{}, fault.Missing("cart")
	}
	return c, err
}

// Save writes a cart if it has changed; a guest's cart then expires after its full lifetime again. Errors:
// sidecar.ErrStale or sidecar.ErrExists if another request has written it since it was loaded, see
// sidecar.RetryConflicts.
func (s Carts) Save(ctx context.Context, c Cart) error {
	if !c.Changed() {
		return nil
	}
	item, err := c.Item()
	if err != nil {
		return err
	}
	return sidecar.Save(ctx, s.state, item)
}

// SaveMany writes those of the carts that have changed. After an error, conflicts included, any of them may be
// written.
func (s Carts) SaveMany(ctx context.Context, carts map[string]Cart) error {
	var items []sidecar.Item
	for _, c := range carts {
		if !c.Changed() {
			continue
		}
		item, err := c.Item()
		if err != nil {
			return err
		}
		items = append(items, item)
	}
	return s.state.PutManyIf(ctx, items)
}

// Close closes a customer's cart, or stores a closed one, so that nobody who still has an access token of the customer
// makes another cart.
func (s Carts) Close(ctx context.Context, user string) error {
	return sidecar.RetryConflicts(func() error {
		c, err := s.LoadCustomerCart(ctx, user, DefaultCurrency)
		if fault.Is(err, "not-found") {
			return nil // closed already
		} else if err != nil {
			return err
		}
		c.Cart.Close()
		return s.Save(ctx, c)
	})
}
