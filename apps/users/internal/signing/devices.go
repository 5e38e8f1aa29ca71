package signing

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
)

// Devices makes tokens by which a device is known again that has signed in to a mailbox before (OWASP, device cookies).
// A token is no credential: it only separates the wrong passwords of the device from those of strangers. It also makes
// digests of network addresses, so that nobody who reads the store can try all of them.
type Devices struct{ key []byte }

// NewDevices derives the key from a secret of any length. It fails only for an empty secret.
func NewDevices(secret string) (Devices, error) {
	if secret == "" {
		return Devices{}, errors.New("the secret for the tokens of devices is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "haberdash users devices 1", 32)
	return Devices{key}, err
}

// Token returns the token of a device for a mailbox. The id has no dot.
func (d Devices) Token(id, mailbox string) string { return id + "." + d.derive("device", id, mailbox) }

// ID returns the id of a device from its token, or nothing if the token was not made for the mailbox.
func (d Devices) ID(token, mailbox string) string {
	id, _, _ := strings.Cut(token, ".")
	if !hmac.Equal([]byte(token), []byte(d.Token(id, mailbox))) {
		return ""
	}
	return id
}

// AddressDigest returns the digest of a network address.
func (d Devices) AddressDigest(address string) string { return d.derive("address", address) }

func (d Devices) derive(purpose string, texts ...string) string {
	h := hmac.New(sha256.New, d.key)
	h.Write([]byte(purpose + "\n" + strings.Join(texts, "\n")))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))
}
