package signing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sealer encrypts private keys with AES-256-GCM under a key derived from a secret of any length by HKDF
// (RFC 5869). The key id is authenticated too, so that sealed keys cannot change places.
type Sealer struct{ aead cipher.AEAD }

// NewSealer derives the key. It fails only for an empty secret.
func NewSealer(secret string) (*Sealer, error) {
	if secret == "" {
		return nil, errors.New("the secret that seals signing keys is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "haberdash users signing keys 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// Generate makes a key that signs from the given time on, with its private part sealed.
func (s *Sealer) Generate(id string) (Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, err
	}
	return Key{ID: id, Public: public, Sealed: s.aead.Seal(nil, nil, private.Seed(), []byte(id))}, nil
}

// Open gives a key's private part. It fails when the key was sealed under another secret or was altered.
func (s *Sealer) Open(k Key) (ed25519.PrivateKey, error) {
	seed, err := s.aead.Open(nil, nil, k.Sealed, []byte(k.ID))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("signing key %s cannot be opened: it was sealed with another secret, or altered", k.ID)
	}
	private := ed25519.NewKeyFromSeed(seed)
	if !private.Public().(ed25519.PublicKey).Equal(k.Public) {
		return nil, fmt.Errorf("signing key %s does not fit its public part", k.ID)
	}
	return private, nil
}
