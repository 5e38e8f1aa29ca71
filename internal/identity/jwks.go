package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// JWK is a public key (RFC 7517; OKP keys: RFC 8037).
type JWK struct {
	KeyType   string `json:"kty" enum:"OKP"`
	Curve     string `json:"crv" enum:"Ed25519"`
	ID        string `json:"kid"`
	Use       string `json:"use" enum:"sig"`
	Algorithm string `json:"alg" enum:"EdDSA"`
	X         string `json:"x" doc:"The public key, base64url"`
}

// JWKS is a set of public keys.
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// PublicJWK makes the JWK of an Ed25519 public key.
func PublicJWK(kid string, key ed25519.PublicKey) JWK {
	return JWK{KeyType: "OKP", Curve: "Ed25519", ID: kid, Use: "sig", Algorithm: "EdDSA",
		X: base64.RawURLEncoding.EncodeToString(key)}
}

// maxKeys is how many keys a set may have. The users service publishes two at a time, three for a few minutes.
const maxKeys = 16

// maxKeyID is the longest key id in bytes.
const maxKeyID = 64

// maxAge is how old a set may be before it is fetched again. So a key that was withdrawn verifies no tokens for long.
const maxAge = 5 * time.Minute

// Cached implements Keys with a cache of a JWKS. It fetches the set for a key id that it does not know, at most once a
// second, failures included: so tokens with made-up key ids cannot flood the users service. It fetches a set that is
// older than maxAge in the background, and goes on with the old one while users does not answer. It is safe for
// concurrent use.
type Cached struct {
	fetch func(context.Context) (JWKS, error)
	now   func() time.Time

	mu      sync.RWMutex
	keys    map[string]ed25519.PublicKey
	fetched time.Time // when the set was fetched last, successfully or not
	err     error     // of that fetch
	flight  singleflight.Group
}

// NewCached makes the cache. It fetches nothing before the first use.
func NewCached(fetch func(context.Context) (JWKS, error), now func() time.Time) *Cached {
	return &Cached{fetch: fetch, now: now}
}

// Key implements Keys.
func (c *Cached) Key(ctx context.Context, kid string) (ed25519.PublicKey, bool, error) {
	c.mu.RLock()
	key, ok := c.keys[kid]
	age, err := c.now().Sub(c.fetched), c.err
	c.mu.RUnlock()
	if ok {
		if age >= maxAge {
			c.flight.DoChan("jwks", c.fetchOnce(ctx))
		}
		return key, true, nil
	}
	if age < time.Second {
		return nil, false, err
	}
	_, err, _ = c.flight.Do("jwks", c.fetchOnce(ctx))
	if err != nil {
		return nil, false, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	key, ok = c.keys[kid]
	return key, ok, nil
}

func (c *Cached) fetchOnce(ctx context.Context) func() (any, error) {
	return func() (any, error) { return nil, c.refresh(context.WithoutCancel(ctx)) }
}

func (c *Cached) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	set, err := c.fetch(ctx)
	var keys map[string]ed25519.PublicKey
	if err == nil {
		keys, err = set.keys()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetched, c.err = c.now(), err
	if err == nil {
		c.keys = keys
	}
	return err
}

// keys returns the keys of the set that can verify access tokens, by their ids. Error: the set has too many keys.
func (set JWKS) keys() (map[string]ed25519.PublicKey, error) {
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the set has %d keys, at most %d are accepted", len(set.Keys), maxKeys)
	}
	keys := make(map[string]ed25519.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize || len(k.ID) > maxKeyID || !k.verifies() {
			continue
		}
		if _, twice := keys[k.ID]; twice {
			return nil, errors.New("the set has two keys with the same id")
		}
		keys[k.ID] = x
	}
	return keys, nil
}

// verifies reports whether the key is one for signatures of access tokens.
func (k JWK) verifies() bool {
	return k.KeyType == "OKP" && k.Curve == "Ed25519" && (k.Use == "" || k.Use == "sig") &&
		(k.Algorithm == "" || k.Algorithm == "EdDSA")
}
