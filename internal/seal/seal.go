// Package seal encrypts stored values. Nobody can read a value without its key: deleting the key erases the value
// wherever it was copied to.
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

// NewKey returns a random key of KeySize bytes.
func NewKey() []byte {
	key := make([]byte, KeySize)
	rand.Read(key) // never fails, see crypto/rand
	return key
}

// Box encrypts and decrypts with one key: AES-256-GCM with random nonces, which is safe for 2³² values (NIST SP
// 800-38D, section 8.3). The zero Box cannot decrypt any value. A Box is safe for concurrent use.
type Box struct{ aead cipher.AEAD }

// New makes a Box with a key of KeySize bytes.
func New(key []byte) (Box, error) {
	if len(key) != KeySize {
		return Box{}, fmt.Errorf("seal: the key has %d bytes, expected %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Box{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return Box{aead}, err
}

// FromSecret makes a Box whose key is derived from a secret of any length by HKDF (RFC 5869). Different purposes have
// independent keys. It fails for an empty secret.
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

// Seal encrypts a value under a name. It can be opened under the same name only, so that sealed values cannot be
// exchanged with each other.
func (b Box) Seal(plain []byte, name string) []byte {
	return b.aead.Seal(nil, nil, plain, []byte(name))
}

// ErrClosed means that a value was sealed with another key or under another name, or was altered.
var ErrClosed = errors.New("seal: cannot be opened with this key under this name")

// Open decrypts a value that Seal has encrypted under the name. Error: ErrClosed.
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
