package signing

import "strings"

// Successors computes the successor of a refresh token from the token, so that a repeated request gets the same one
// without a stored answer. It takes both the token and the key to compute it: the store has only digests of tokens, and
// a thief of an old token does not have the key.
type Successors struct{ deriver }

// NewSuccessors derives the key from a secret of any length. It fails only for an empty secret.
func NewSuccessors(secret string) (Successors, error) {
	d, err := newDeriver(secret, "haberdash users refresh tokens 1")
	return Successors{d}, err
}

// Secret returns the secret of the successor of a refresh token: 52 letters and digits, which look random.
func (s Successors) Secret(token string) string { return s.derive("successor:" + token) }

// TokenID returns the id of the access token that is issued with a refresh token: 26 letters and digits.
func (s Successors) TokenID(token string) string {
	return strings.ToLower(s.derive("access token:" + token)[:26])
}
