package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
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

// Cached implements Keys with a cache of a JWKS. It fetches the set for a key id that it does not know, at most once a
// second, failures included: so tokens with made-up key ids cannot flood the users service. It is safe for concurrent
// use.
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
	fresh, err := c.now().Sub(c.fetched) < time.Second, c.err
	c.mu.RUnlock()
	if ok {
		return key, true, nil
	}
	if fresh {
		return nil, false, err
	}
	_, err, _ = c.flight.Do("jwks", func() (any, error) { return nil, c.refresh(context.WithoutCancel(ctx)) })
	if err != nil {
		return nil, false, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	key, ok = c.keys[kid]
	return key, ok, nil
}

func (c *Cached) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	set, err := c.fetch(ctx)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.fetched, c.err = c.now(), err
		return err
	}
	keys := make(map[string]ed25519.PublicKey, len(set.Keys))
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err == nil && len(x) == ed25519.PublicKeySize && k.KeyType == "OKP" && k.Curve == "Ed25519" {
			keys[k.ID] = x
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys, c.fetched, c.err = keys, c.now(), nil
	return nil
}
