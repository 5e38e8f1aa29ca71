package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"haberdash/internal/seal"
)

// Sealer encrypts private keys under a key derived from a secret. The key id is authenticated too, so that sealed
// keys cannot change places.
type Sealer struct{ box seal.Box }

// NewSealer derives the key. It fails only for an empty secret.
func NewSealer(secret string) (*Sealer, error) {
	box, err := seal.FromSecret(secret, "haberdash users signing keys 1")
	if err != nil {
		return nil, fmt.Errorf("the secret that seals signing keys: %w", err)
	}
	return &Sealer{box}, nil
}

// Generate makes a key that signs from the given time on, with its private part sealed.
func (s *Sealer) Generate(id string) (Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, Public: public, Sealed: s.box.Seal(private.Seed(), id)}, nil
}

// Open gives a key's private part. It fails when the key was sealed under another secret or was altered.
func (s *Sealer) Open(k Key) (ed25519.PrivateKey, error) {
	seed, err := s.box.Open(k.Sealed, k.ID)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key %s cannot be opened: it was sealed with another secret, or altered", k.ID)
	}
	private := ed25519.NewKeyFromSeed(seed)
	if !private.Public().(ed25519.PublicKey).Equal(k.Public) {
		return nil, fmt.Errorf("signing key %s does not fit its public part", k.ID)
	}
	return private, nil
}
