// Package signing holds the rules of the keys that sign access tokens:
//
//  1. One key signs at a time: the newest whose time has come.
//  2. A new key is published before it signs, so that whoever verifies knows it by then.
//  3. An old key is published until the last token it signed has expired.
package signing

import (
	"crypto/ed25519"
	"slices"
	"time"
)

// TokenLife is how long an access token is valid.
const TokenLife = 10 * time.Minute

// Lead is the time between a key's publication and its first signature; every replica has read the ring
// afresh by then.
const Lead = 2 * time.Minute

// margin covers clocks that differ.
const margin = time.Minute

// Key is a signing key. Its private part is sealed.
type Key struct {
	ID        string
	Public    ed25519.PublicKey
	Sealed    []byte
	SignsFrom time.Time
}

// Ring is the keys in the order in which they sign.
type Ring []Key

// Signer is the key that signs now (rule 1); ok is false for a ring without one.
func (r Ring) Signer(now time.Time) (k Key, ok bool) {
	for _, candidate := range r {
		if !candidate.SignsFrom.After(now) || !ok {
			k, ok = candidate, true
		}
	}
	return k, ok
}

// Published gives the keys that verify now (rules 2 and 3).
func (r Ring) Published(now time.Time) Ring {
	var keys Ring
	for i, k := range r {
		if i == len(r)-1 || now.Before(r[i+1].SignsFrom.Add(TokenLife+margin)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// Due reports whether the newest key has signed for longer than every.
func (r Ring) Due(every time.Duration, now time.Time) bool {
	return len(r) == 0 || !now.Before(r[len(r)-1].SignsFrom.Add(every))
}

// Add puts a new key into the ring and drops those that no longer verify. The first key signs at once,
// another after Lead.
func (r Ring) Add(k Key, now time.Time) Ring {
	k.SignsFrom = now.UTC()
	if len(r) > 0 {
		k.SignsFrom = k.SignsFrom.Add(Lead)
	}
	return append(slices.Clone(r.Published(now)), k)
}
