package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"

	"haberdash/internal/seal"
)

// Sealer encrypts private keys with a key that is derived from a secret. The id of the private key is authenticated, so
// that encrypted keys cannot be swapped.
type Sealer struct{ box seal.Box }

// NewSealer derives the key from the secret. It fails only for an empty secret.
func NewSealer(secret string) (*Sealer, error) {
	box, err := seal.FromSecret(secret, "haberdash users signing keys 1")
	if err != nil {
		return nil, fmt.Errorf("the secret that encrypts the signing keys: %w", err)
	}
	return &Sealer{box}, nil
}

// Generate makes a new key with an encrypted private part. Ring.Add sets when it signs.
func (s *Sealer) Generate(id string) (Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, Public: public, Sealed: s.box.Seal(private.Seed(), id)}, nil
}

// Open decrypts the private part of a key. It fails if the key was encrypted with another secret or was altered.
func (s *Sealer) Open(k Key) (ed25519.PrivateKey, error) {
	seed, err := s.box.Open(k.Sealed, k.ID)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key %s cannot be opened: it was sealed with another secret, or altered", k.ID)
	}
	private := ed25519.NewKeyFromSeed(seed)
	if !private.Public().(ed25519.PublicKey).Equal(k.Public) {
		return nil, fmt.Errorf("the private and the public part of signing key %s do not match", k.ID)
	}
	return private, nil
}
