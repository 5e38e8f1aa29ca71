package signing

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
)

// deriver makes texts of messages with a key (HMAC-SHA-256): 52 letters and digits, which look random without the key.
type deriver struct{ key []byte }

// newDeriver derives a key for one purpose from a secret of any length. It fails only for an empty secret. The tokens
// that users have depend on the purpose, so it never changes.
func newDeriver(secret, purpose string) (deriver, error) {
	if secret == "" {
		return deriver{}, errors.New("the secret for " + purpose + " is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, 32)
	return deriver{key}, err
}

func (d deriver) derive(message string) string {
	h := hmac.New(sha256.New, d.key)
	h.Write([]byte(message))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))
}
