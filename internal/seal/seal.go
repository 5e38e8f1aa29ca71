// Package seal encrypts what is kept, so that who holds the key alone can read it, and nobody once the key is gone.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// NewKey is a random key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails, see crypto/rand
	return key
}

// Box seals with AES-256-GCM and random nonces, which is good for 2³² values under one key (NIST SP 800-38D, section
// 8.3). The zero Box opens nothing.
type Box struct{ aead cipher.AEAD }

// New makes the box of a key of KeySize bytes.
func New(key []byte) (Box, error) {
	if len(key) != KeySize {
		return Box{}, fmt.Errorf("seal: a key of %d bytes", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Box{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return Box{aead}, err
}

// FromSecret makes a box whose key is derived from a secret of any length by HKDF (RFC 5869). Boxes of one secret
// and different purposes have nothing in common. It fails for an empty secret.
func FromSecret(secret, purpose string) (Box, error) {
	if secret == "" {
		return Box{}, errors.New("seal: the secret is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, KeySize)
	if err != nil {
		return Box{}, err
	}
	return New(key)
}

// Seal encrypts a value. Its name is authenticated too, so that sealed values cannot change places.
func (b Box) Seal(plain []byte, name string) []byte {
	return b.aead.Seal(nil, nil, plain, []byte(name))
}

// ErrClosed says that a value was sealed with another key or under another name, or was altered.
var ErrClosed = errors.New("seal: cannot be opened with this key under this name")

// Open gives a sealed value back, or ErrClosed.
func (b Box) Open(sealed []byte, name string) ([]byte, error) {
	if b.aead == nil {
		return nil, ErrClosed
	}
	plain, err := b.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, ErrClosed
	}
	return plain, nil
}
