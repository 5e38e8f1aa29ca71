// Package keyring stores the signing keys, encrypted, in the state store and signs access tokens with them. All
// replicas share the keys.
//
//	signing-keys   the keys
package keyring

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"haberdash/apps/users/internal/signing"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
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

// Keyring has the keys as this replica has read them last. It is safe for concurrent use.
type Keyring struct {
	state  sidecar.State
	sealer *signing.Sealer
	now    func() time.Time
	newID  func() string

	mu      sync.RWMutex
	ring    signing.Ring
	private map[string]ed25519.PrivateKey
	readAt  time.Time
}

var _ identity.Keys = (*Keyring)(nil)

// Open reads the keys, or makes the first one. Of several replicas that start at once, one writes the key and all use
// it. Open fails if the keys were encrypted with another secret.
func Open(ctx context.Context, state sidecar.State, secret string, now func() time.Time,
	newID func() string) (*Keyring, error) {
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

// Rotate reads the keys again, and adds a key if the newest one has signed for the time every.
func (k *Keyring) Rotate(ctx context.Context, every time.Duration) error {
	doc, err := sidecar.Update(ctx, k.state, key, func(d *ringDoc, _ bool) (bool, error) {
		ring := d.ring()
		if !ring.RotationDue(every, k.now()) {
			return false, nil
		}
		added, err := k.sealer.Generate(k.newID())
		if err != nil {
			return false, err
		}
		*d = toDoc(ring.Add(added, k.now()))
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("signing keys: %w", err)
	}
	return k.use(doc.ring())
}

// Export returns a function that exports the keys of a store as they are stored. They can only be used with the same
// secret.
func Export(state sidecar.State) func(context.Context, func(sidecar.Item) error) error {
	return func(ctx context.Context, put func(sidecar.Item) error) error {
		item, err := state.Get(ctx, key)
		if err != nil || !item.Found() {
			return err
		}
		return put(item)
	}
}

func (d ringDoc) ring() (ring signing.Ring) {
	for _, x := range d.Keys {
		ring = append(ring, signing.Key{ID: x.ID, Public: x.Public, Sealed: x.Sealed, SignsFrom: x.SignsFrom})
	}
	return ring
}

func toDoc(ring signing.Ring) (d ringDoc) {
	for _, x := range ring {
		d.Keys = append(d.Keys, keyDoc{x.ID, x.Public, x.Sealed, x.SignsFrom})
	}
	return d
}

// use replaces the keys in memory. It fails if one cannot be decrypted.
func (k *Keyring) use(ring signing.Ring) error {
	private := make(map[string]ed25519.PrivateKey, len(ring))
	for _, x := range ring {
		p, err := k.sealer.Open(x)
		if err != nil {
			return fmt.Errorf("%w: set KEY_ENCRYPTION_KEY to the secret with which this store was written "+
				"(make up keeps it in secrets.env of the run directory), or choose an empty store", err)
		}
		private[x.ID] = p
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ring, k.private, k.readAt = ring, private, k.now()
	return nil
}

// Verifiers accept the tokens of the service: this does not compile if they live too long.
const _ = uint64(identity.MaxLife - signing.TokenLife)

// Sign returns an access token of a user with the claims, which is valid from the time at for signing.TokenLife. The
// same user, claims and time yield the same token.
func (k *Keyring) Sign(user, tokenID string, at time.Time, claims identity.Claims) (string, error) {
	k.mu.RLock()
	signer, ok := k.ring.Signer(at)
	private := k.private[signer.ID]
	k.mu.RUnlock()
	if !ok {
		return "", errors.New("there is no signing key")
	}
	claims.RegisteredClaims = identity.Registered(user, at, signing.TokenLife)
	claims.ID = tokenID
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	token.Header["kid"] = signer.ID
	return token.SignedString(private)
}

// JWKS returns the public keys that verify tokens now.
func (k *Keyring) JWKS() identity.JWKS {
	k.mu.RLock()
	defer k.mu.RUnlock()
	set := identity.JWKS{Keys: []identity.JWK{}}
	for _, x := range k.ring.Published(k.now()) {
		set.Keys = append(set.Keys, identity.PublicJWK(x.ID, x.Public))
	}
	return set
}

// Key implements identity.Keys. It reads the store for an unknown key id, at most once a second.
func (k *Keyring) Key(ctx context.Context, kid string) (ed25519.PublicKey, bool, error) {
	if public, ok, recent := k.published(kid); ok || recent {
		return public, ok, nil
	}
	if err := k.Rotate(ctx, Rotation); err != nil {
		return nil, false, err
	}
	public, ok, _ := k.published(kid)
	return public, ok, nil
}

// published looks up a public key; recent reports whether the keys were read less than a second ago.
func (k *Keyring) published(kid string) (public ed25519.PublicKey, ok, recent bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, x := range k.ring.Published(k.now()) {
		if x.ID == kid {
			return x.Public, true, true
		}
	}
	return nil, false, k.now().Sub(k.readAt) < time.Second
}

// Run reads the keys regularly and rotates them when it is time, until ctx ends. It logs errors and tries again.
func (k *Keyring) Run(ctx context.Context) error {
	tick := time.NewTicker(signing.Lead / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := k.Rotate(ctx, Rotation); err != nil && ctx.Err() == nil {
				telemetry.Log(ctx).Error().Err(err).Msg("signing keys not refreshed")
			}
		}
	}
}
