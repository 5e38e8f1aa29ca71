package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// How long carts live after their last change that do not stay: a guest's, and one that was closed, by when
// nobody has a token of its customer's any more.
const (
	guestTTL  = 30 * 24 * time.Hour
	closedTTL = 24 * time.Hour
)

// attempts bounds how often a change is tried again when others change the same cart.
const attempts = 8

// store keeps one document a cart.
type store struct{ state sidecar.State }

// stored is a cart with its place in the store; an empty etag means that it is not there yet.
type stored struct {
	*cart.Cart
	id   string
	etag string
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

// ownID is the id of a customer's cart. It may be guessed: only its owner gets in.
func ownID(user string) string { return "c" + digest("customer/"+user) }

// key hides the id, which for a guest's cart is its secret, from the store and from error texts.
func key(id string) string { return "cart/" + digest(id) }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// load reads a cart, whoever it belongs to. A cart that is not there is not-found.
func (s store) load(ctx context.Context, id string) (stored, error) {
	if !idForm.MatchString(id) {
		return stored{}, fault.Missing("cart")
	}
	item, err := s.state.Get(ctx, key(id))
	if err != nil {
		return stored{}, outage(err)
	}
	return restore(id, item)
}

// loadMany reads those of the carts that are there, by id.
func (s store) loadMany(ctx context.Context, ids []string) (map[string]stored, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = key(id)
	}
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, outage(err)
	}
	carts := map[string]stored{}
	for i, id := range ids {
		if item, found := items[keys[i]]; found {
			if carts[id], err = restore(id, item); err != nil {
				return nil, err
			}
		}
	}
	return carts, nil
}

func restore(id string, item sidecar.Item) (stored, error) {
	if !item.Found() {
		return stored{}, fault.Missing("cart")
	}
	var snapshot cart.Snapshot
	if err := json.Unmarshal(item.Value, &snapshot); err != nil {
		return stored{}, fmt.Errorf("decode %s: %w", item.Key, err)
	}
	return stored{cart.Restore(snapshot), id, item.ETag}, nil
}

// own reads the user's cart, or gives a new one of the currency that is not stored yet. One that is closed is
// not-found.
func (s store) own(ctx context.Context, user, currency string) (stored, error) {
	c, err := s.load(ctx, ownID(user))
	if fault.Is(err, "not-found") {
		fresh, err := cart.New(user, currency)
		return stored{fresh, ownID(user), ""}, err
	}
	if err == nil && c.Closed() {
		return stored{}, fault.Missing("cart")
	}
	return c, err
}

// close closes the user's cart, so that none is made by who still has a token. One that is closed stays so.
func (s store) close(ctx context.Context, user string) error {
	c, err := s.own(ctx, user, defaultCurrency)
	if fault.Is(err, "not-found") {
		return nil
	} else if err != nil {
		return err
	}
	c.Close()
	return s.save(ctx, c)
}

// errRace says that somebody else changed the cart meanwhile.
var errRace = errors.New("the cart was changed by another request")

// save writes a cart that changed. A guest's lives on for its full time.
func (s store) save(ctx context.Context, c stored) error {
	if !c.Changed() {
		return nil
	}
	item, err := c.item()
	if err != nil {
		return err
	}
	if c.etag == "" {
		err = s.state.Create(ctx, item.Key, item.Value, sidecar.TTL(item.TTL))
	} else {
		err = s.state.Put(ctx, item.Key, item.Value, item.ETag, sidecar.TTL(item.TTL))
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sidecar.ErrStale), errors.Is(err, sidecar.ErrExists):
		return errRace
	}
	return outage(err)
}

// item is what the cart is stored as.
func (c stored) item() (sidecar.Item, error) {
	value, err := json.Marshal(c.Snapshot())
	if err != nil {
		return sidecar.Item{}, fmt.Errorf("encode cart: %w", err)
	}
	item := sidecar.Item{Key: key(c.id), Value: value, ETag: c.etag}
	switch {
	case c.Guest():
		item.TTL = guestTTL
	case c.Closed():
		item.TTL = closedTTL
	}
	return item, nil
}

// again repeats what lost a race, a few times.
func again[T any](try func() (T, error)) (result T, err error) {
	for range attempts {
		if result, err = try(); !errors.Is(err, errRace) {
			return result, err
		}
	}
	return result, fault.New(fault.Unavailable, "unavailable", "Too many requests change this cart at once.").After(time.Second).Because(err)
}

func outage(err error) error {
	return fault.New(fault.Unavailable, "unavailable", "Carts cannot be reached just now.").After(time.Second).Because(err)
}
