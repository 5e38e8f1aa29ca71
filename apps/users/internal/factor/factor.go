// Package factor holds the rules of second factors, with which a user proves more than the password at a sign-in:
//
//  1. A second factor is an authenticator app, which shows codes (TOTP, RFC 6238), or a passkey (Web Authentication).
//     An account has at most ten.
//  2. An account with a second factor has recovery codes, each of which is valid once in place of a factor. It gets ten
//     with the first factor, and can replace them. They go with the last factor.
//  3. A code of an authenticator app is valid in its time step of 30 s, and in the steps before and after it.
//  4. The store has no secret in the clear: a factor is sealed, and of a recovery code it has a keyed digest.
package factor

import (
	"crypto/subtle"
	"slices"
	"time"

	"haberdash/internal/fault"
)

// Kinds of factors, and Recovery for a recovery code. Clients and stored data have these names.
const (
	TOTP     = "totp"
	Passkey  = "passkey"
	Recovery = "recovery-code"
)

// Limits.
const (
	MaxFactors    = 10
	RecoveryCodes = 10
	MaxName       = 100
)

// Factor is a second factor of an account.
type Factor struct {
	ID        string
	Kind      string // TOTP or Passkey
	Name      string // that the user gave it
	Sealed    []byte // what verifies it: see Vault
	CreatedAt time.Time
}

// Set has the second factors of an account. The zero Set has none.
type Set struct {
	Factors []Factor
	Codes   []string // Digests of the recovery codes that were not used
}

// Clone returns a copy.
func (s Set) Clone() Set { return Set{slices.Clone(s.Factors), slices.Clone(s.Codes)} }

// Any reports whether there is a second factor.
func (s Set) Any() bool { return len(s.Factors) > 0 }

// Get returns a factor.
func (s Set) Get(id string) (f Factor, found bool) {
	i := s.index(id)
	if i < 0 {
		return f, false
	}
	return s.Factors[i], true
}

func (s Set) index(id string) int {
	return slices.IndexFunc(s.Factors, func(f Factor) bool { return f.ID == id })
}

// Methods returns the ways to prove a second factor: the kinds of the factors, and Recovery.
func (s Set) Methods() []string {
	methods := []string{}
	for _, kind := range []string{TOTP, Passkey} {
		if len(s.Of(kind)) > 0 {
			methods = append(methods, kind)
		}
	}
	if len(s.Codes) > 0 {
		methods = append(methods, Recovery)
	}
	return methods
}

// Of returns the factors of a kind.
func (s Set) Of(kind string) (factors []Factor) {
	for _, f := range s.Factors {
		if f.Kind == kind {
			factors = append(factors, f)
		}
	}
	return factors
}

// CheckRoom refuses one more factor than an account may have: too-many-second-factors (409), rule 1.
func (s Set) CheckRoom() error {
	if len(s.Factors) >= MaxFactors {
		return fault.New(fault.Conflict, "too-many-second-factors", "An account has at most %d second factors.",
			MaxFactors)
	}
	return nil
}

// Add adds a factor, and with the first one the digests of recovery codes (rule 2). Error: too-many-second-factors
// (409).
func (s *Set) Add(f Factor, codes []string) error {
	if err := s.CheckRoom(); err != nil {
		return err
	}
	if !s.Any() {
		s.Codes = slices.Clone(codes)
	}
	s.Factors = append(s.Factors, f)
	return nil
}

// Reseal replaces what verifies a factor. Error: not-found (404).
func (s *Set) Reseal(id string, sealed []byte) error {
	i := s.index(id)
	if i < 0 {
		return errMissing
	}
	s.Factors[i].Sealed = sealed
	return nil
}

var errMissing = fault.Missing("second factor")

// Remove removes a factor, and with the last one the recovery codes (rule 2). Error: not-found (404).
func (s *Set) Remove(id string) error {
	i := s.index(id)
	if i < 0 {
		return errMissing
	}
	s.Factors = slices.Delete(s.Factors, i, i+1)
	if !s.Any() {
		s.Codes = nil
	}
	return nil
}

// UseCode removes a recovery code by its digest, and reports whether it was there. It compares in constant time.
func (s *Set) UseCode(digest string) bool {
	found := -1
	for i, code := range s.Codes {
		if subtle.ConstantTimeCompare([]byte(code), []byte(digest)) == 1 {
			found = i
		}
	}
	if found >= 0 {
		s.Codes = slices.Delete(s.Codes, found, found+1)
	}
	return found >= 0
}

// step is the length of a time step (rule 3).
const step = 30 * time.Second

// StepLife is how long after the middle of its step a code may be accepted, with a margin for clocks that differ.
const StepLife = 5 * step

// Match returns the time step that a code of an authenticator app was made for. ok is false if it is none of the steps
// of rule 3. codeOf returns the code of a step. The time that Match takes does not depend on the code.
func Match(code string, now time.Time, codeOf func(step uint64) (string, error)) (matched uint64, ok bool, err error) {
	current := uint64(now.Unix()) / uint64(step/time.Second)
	for _, candidate := range []uint64{current - 1, current, current + 1} {
		expected, err := codeOf(candidate)
		if err != nil {
			return 0, false, err
		}
		if subtle.ConstantTimeCompare([]byte(expected), []byte(code)) == 1 {
			matched, ok = candidate, true
		}
	}
	return matched, ok, nil
}
