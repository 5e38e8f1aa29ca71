package signing

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
)

// Mailed makes the tokens that mails carry from the mails' ids. So the token of a mail that is still to be
// written is kept nowhere: not in the store, which has its digest, nor in a log or a broker, which have the id.
type Mailed struct{ key []byte }

// NewMailed derives the key from a secret of any length. It fails only for an empty secret.
func NewMailed(secret string) (Mailed, error) {
	if secret == "" {
		return Mailed{}, errors.New("the secret that mailed tokens are made with is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "haberdash users mailed tokens 1", 32)
	return Mailed{key}, err
}

// Token of a mail: 52 letters and digits, which nobody without the secret can tell from chance.
func (m Mailed) Token(mailID string) string {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte(mailID))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))
}
