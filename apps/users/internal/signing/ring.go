// Package signing holds the rules of the keys that sign access tokens, and derives the tokens in mails:
//
//  1. One key signs at a time: the newest one whose start time has passed.
//  2. A new key is published before it signs, so that all services know it when they verify its first token.
//  3. An old key is published until the last token that it has signed has expired.
package signing

import (
	"crypto/ed25519"
	"slices"
	"time"
)

// TokenLife is how long an access token is valid.
const TokenLife = 10 * time.Minute

// Lead is the time between the publication of a key and its first signature. Every replica reads the ring again in that
// time.
const Lead = 2 * time.Minute

// margin is for clocks that differ.
const margin = time.Minute

// Key is a signing key. Its private part is encrypted.
type Key struct {
	ID        string
	Public    ed25519.PublicKey
	Sealed    []byte
	SignsFrom time.Time
}

// Ring has the keys in the order in which they sign.
type Ring []Key

// Signer returns the key that signs now (rule 1); ok is false for an empty ring.
func (r Ring) Signer(now time.Time) (k Key, ok bool) {
	for _, candidate := range r {
		if !candidate.SignsFrom.After(now) || !ok {
			k, ok = candidate, true
		}
	}
	return k, ok
}

// Published returns the keys that verify tokens now (rules 2 and 3).
func (r Ring) Published(now time.Time) Ring {
	var keys Ring
	for i, k := range r {
		if i == len(r)-1 || now.Before(r[i+1].SignsFrom.Add(TokenLife+margin)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// RotationDue reports whether the ring needs a new key: it is empty, or its newest key has signed for the time every.
func (r Ring) RotationDue(every time.Duration, now time.Time) bool {
	return len(r) == 0 || !now.Before(r[len(r)-1].SignsFrom.Add(every))
}

// Add returns the ring with a new key and without the keys that are not published any more. The first key signs at
// once, every other one after Lead.
func (r Ring) Add(k Key, now time.Time) Ring {
	k.SignsFrom = now.UTC()
	if len(r) > 0 {
		k.SignsFrom = k.SignsFrom.Add(Lead)
	}
	return append(slices.Clone(r.Published(now)), k)
}
