package session

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// Token is a refresh token. All tokens of a session have the same Family and each has its own Secret. So two stored
// digests are enough to recognise every token of the session that was used before.
type Token struct{ UserID, SessionID, Family, Secret string }

var tokenPart = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// String returns the token as the client gets it.
func (t Token) String() string {
	return strings.Join([]string{t.UserID, t.SessionID, t.Family, t.Secret}, ".")
}

// ParseToken parses the token of a client; ok is false if it does not have the form of a refresh token.
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

// Digest returns the form in which a secret is stored. A plain hash is enough, because secrets are long and random.
func Digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
