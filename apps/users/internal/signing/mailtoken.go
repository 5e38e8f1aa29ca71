package signing

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
)

// MailTokens computes the tokens in mails from the ids of the mails. So the token of a mail that is not sent yet is not
// stored anywhere: the store has its digest, and the log and the broker have the id of the mail.
type MailTokens struct{ key []byte }

// NewMailTokens derives the key from a secret of any length. It fails only for an empty secret.
func NewMailTokens(secret string) (MailTokens, error) {
	if secret == "" {
		return MailTokens{}, errors.New("the secret for the tokens in mails is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "haberdash users mailed tokens 1", 32)
	return MailTokens{key}, err
}

// Token returns the token of a mail: 52 letters and digits, which look random without the secret.
func (m MailTokens) Token(mailID string) string {
	h := hmac.New(sha256.New, m.key)
	h.Write([]byte(mailID))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil))
}
