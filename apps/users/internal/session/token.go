package session

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// Token is a refresh token. Family is the same for every token of a session and Secret is new each time:
// so a token that was used already is recognised by storing two hashes, however many there were.
type Token struct{ UserID, SessionID, Family, Secret string }

var tokenPart = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// String is the token as the client keeps it.
func (t Token) String() string {
	return strings.Join([]string{t.UserID, t.SessionID, t.Family, t.Secret}, ".")
}

// ParseToken reads what a client sent; ok is false for what cannot be a token of ours.
func ParseToken(s string) (t Token, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return Token{}, false
	}
	for _, p := range parts {
		if !tokenPart.MatchString(p) {
			return Token{}, false
		}
	}
	return Token{parts[0], parts[1], parts[2], parts[3]}, true
}

// Digest is the form in which a secret is stored. Secrets are random and long, so a plain hash will do.
func Digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
