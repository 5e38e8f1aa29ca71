package signing

import (
	"crypto/hmac"
	"strings"
)

// Devices makes tokens by which a device is known again that has signed in to a mailbox before (OWASP, device cookies).
// A token is no credential: it only separates the wrong passwords of the device from those of strangers. It also makes
// digests of network addresses, so that nobody who reads the store can try all of them.
type Devices struct{ deriver }

// NewDevices derives the key from a secret of any length. It fails only for an empty secret.
func NewDevices(secret string) (Devices, error) {
	d, err := newDeriver(secret, "haberdash users devices 1")
	return Devices{d}, err
}

// Token returns the token of a device for a mailbox. The id has no dot.
func (d Devices) Token(id, mailbox string) string { return id + "." + d.digest("device", id, mailbox) }

// ID returns the id of a device from its token, or nothing if the token was not made for the mailbox.
func (d Devices) ID(token, mailbox string) string {
	id, _, _ := strings.Cut(token, ".")
	if !hmac.Equal([]byte(token), []byte(d.Token(id, mailbox))) {
		return ""
	}
	return id
}

// AddressDigest returns the digest of a network address.
func (d Devices) AddressDigest(address string) string { return d.digest("address", address) }

func (d Devices) digest(texts ...string) string { return d.derive(strings.Join(texts, "\n")) }
