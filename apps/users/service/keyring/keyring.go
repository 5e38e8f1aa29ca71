// Package keyring keeps the signing keys in the state store, sealed, and signs access tokens with them.
package keyring

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"haberdash/apps/users/internal/signing"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
)

const key = "signing-keys"

// Rotation is how long a key signs before the next one.
const Rotation = 30 * 24 * time.Hour

type keyDoc struct {
	ID        string    `json:"kid"`
	Public    []byte    `json:"public"`
	Sealed    []byte    `json:"sealed"`
	SignsFrom time.Time `json:"signsFrom"`
}

type ringDoc struct {
	Keys []keyDoc `json:"keys"`
}

// Keyring is a replica's view of the ring; every replica sees the same keys.
type Keyring struct {
	state  sidecar.State
	sealer *signing.Sealer
	now    func() time.Time
	newID  func() string

	mu      sync.RWMutex
	ring    signing.Ring
	private map[string]ed25519.PrivateKey
	looked  time.Time
}

var _ identity.Keys = (*Keyring)(nil)

// Open reads the ring, or makes it with a first key: of replicas that start together one writes it and all
// use it. It fails when the keys were sealed with another secret.
func Open(ctx context.Context, state sidecar.State, secret string, now func() time.Time, newID func() string) (*Keyring, error) {
	sealer, err := signing.NewSealer(secret)
	if err != nil {
		return nil, err
	}
	k := &Keyring{state: state, sealer: sealer, now: now, newID: newID}
	if err := k.Rotate(ctx, Rotation); err != nil {
		return nil, err
	}
	return k, nil
}

// Rotate reads the ring afresh and adds a key to it if the newest has signed for longer than every.
func (k *Keyring) Rotate(ctx context.Context, every time.Duration) error {
	for range 10 {
		item, err := k.state.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("signing keys: %w", err)
		}
		ring, err := decode(item)
		if err != nil {
			return err
		}
		if !ring.Due(every, k.now()) {
			return k.use(ring)
		}
		fresh, err := k.sealer.Generate(k.newID())
		if err != nil {
			return err
		}
		ring = ring.Add(fresh, k.now())
		if item.Found() {
			err = k.state.Put(ctx, key, encode(ring), item.ETag)
		} else {
			err = k.state.Create(ctx, key, encode(ring))
		}
		if err == nil {
			return k.use(ring)
		}
		if !errors.Is(err, sidecar.ErrStale) && !errors.Is(err, sidecar.ErrExists) {
			return fmt.Errorf("signing keys: %w", err)
		}
	}
	return errors.New("signing keys: too many replicas rotate at once")
}

// Export hands out the ring as it is stored. It opens only where the sealing secret is the same.
func (k *Keyring) Export(ctx context.Context, put func(sidecar.Item) error) error {
	item, err := k.state.Get(ctx, key)
	if err != nil || !item.Found() {
		return err
	}
	return put(item)
}

func decode(item sidecar.Item) (signing.Ring, error) {
	if !item.Found() {
		return nil, nil
	}
	var d ringDoc
	if err := json.Unmarshal(item.Value, &d); err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	var ring signing.Ring
	for _, x := range d.Keys {
		ring = append(ring, signing.Key{ID: x.ID, Public: x.Public, Sealed: x.Sealed, SignsFrom: x.SignsFrom})
	}
	return ring, nil
}

func encode(ring signing.Ring) []byte {
	var d ringDoc
	for _, x := range ring {
		d.Keys = append(d.Keys, keyDoc{x.ID, x.Public, x.Sealed, x.SignsFrom})
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // a plain struct
	}
	return b
}

func (k *Keyring) use(ring signing.Ring) error {
	private := make(map[string]ed25519.PrivateKey, len(ring))
	for _, x := range ring {
		p, err := k.sealer.Open(x)
		if err != nil {
			return err
		}
		private[x.ID] = p
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring, k.private, k.looked = ring, private, k.now()
	return nil
}

// Sign gives the access token of the claims, issued now and valid for signing.TokenLife.
func (k *Keyring) Sign(claims identity.Claims) (string, error) {
	now := k.now()
	k.mu.RLock()
	signer, ok := k.ring.Signer(now)
	private := k.private[signer.ID]
	k.mu.RUnlock()
	if !ok {
		return "", errors.New("there is no signing key")
	}
	claims.Issuer = identity.Issuer
	claims.IssuedAt, claims.ExpiresAt = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(signing.TokenLife))
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	token.Header["kid"] = signer.ID
	return token.SignedString(private)
}

// JWKS gives the keys that verify now.
func (k *Keyring) JWKS() identity.JWKS {
	k.mu.RLock()
	defer k.mu.RUnlock()
	set := identity.JWKS{Keys: []identity.JWK{}}
	for _, x := range k.ring.Published(k.now()) {
		set.Keys = append(set.Keys, identity.PublicJWK(x.ID, x.Public))
	}
	return set
}

// Key implements identity.Keys without a call through the mesh. An unknown key id makes it look into the
// store, at most once a second.
func (k *Keyring) Key(ctx context.Context, kid string) (ed25519.PublicKey, bool, error) {
	if public, ok, fresh := k.published(kid); ok || fresh {
		return public, ok, nil
	}
	if err := k.Rotate(ctx, Rotation); err != nil {
		return nil, false, err
	}
	public, ok, _ := k.published(kid)
	return public, ok, nil
}

func (k *Keyring) published(kid string) (public ed25519.PublicKey, ok, fresh bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, x := range k.ring.Published(k.now()) {
		if x.ID == kid {
			return x.Public, true, true
		}
	}
	return nil, false, k.now().Sub(k.looked) < time.Second
}

// Run keeps the ring fresh until ctx ends; failed reports what went wrong in one round.
func (k *Keyring) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(signing.Lead / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := k.Rotate(ctx, Rotation); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
	}
}
