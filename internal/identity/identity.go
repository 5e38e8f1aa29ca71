// Package identity verifies access tokens and gives handlers the caller of a request.
//
// Tokens are JWTs that the users service signs with Ed25519 (RFC 8037, alg EdDSA). Its public keys are a JWK set. Each
// service verifies tokens itself with these keys and does not rely on the gateway:
//
//  1. The header has the algorithm, a key id and no other parameter but the type. So no token chooses its own key (jwk,
//     jku, x5u), and none needs an extension that the verifier does not know (crit: RFC 7515, section 4.1.11).
//  2. Header and claims are read as package strictjson reads bodies: no member is there twice or in another case.
//  3. The token is issued by Issuer for Audience, and not in the future. It has a subject.
//  4. It expires, at most MaxLife after it was issued: a token that somebody signs with a stolen key, or that a fault
//     in the issuer makes valid for years, is not accepted.
package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"

	"haberdash/internal/fault"
	"haberdash/internal/strictjson"
)

// Issuer is the iss claim of every access token, Audience its aud claim.
const (
	Issuer   = "haberdash"
	Audience = "haberdash-api"
)

// MaxLife is the longest time between the iat and the exp claim of an access token.
const MaxLife = 10 * time.Minute

// leeway is for clocks that differ.
const leeway = 5 * time.Second

// Roles of a caller.
const (
	Customer = "customer"
	Staff    = "staff"
	Admin    = "admin"
)

// Claims are the claims of an access token. Subject is the user's id.
type Claims struct {
	jwt.RegisteredClaims
	Email   string   `json:"email,omitempty"`
	Name    string   `json:"name,omitempty"`
	Roles   []string `json:"roles"`
	Session string   `json:"sid,omitempty"`
	Methods []string `json:"amr,omitempty"` // how the user has signed in (RFC 8176)
}

// Registered returns the registered claims of a token that is issued to a user now, for at most MaxLife.
func Registered(user string, now time.Time, life time.Duration) jwt.RegisteredClaims {
	return jwt.RegisteredClaims{Issuer: Issuer, Audience: jwt.ClaimStrings{Audience}, Subject: user,
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life))}
}

// Validate implements jwt.ClaimsValidator. It checks what the library does not.
func (c Claims) Validate() error {
	switch {
	case c.Subject == "":
		return errors.New("the token has no subject")
	case c.IssuedAt == nil:
		return errors.New("the token does not say when it was issued")
	case c.ExpiresAt == nil || c.ExpiresAt.Sub(c.IssuedAt.Time) > MaxLife:
		return errors.New("the token is valid for too long")
	}
	return nil
}

// Caller is the user that a request comes from. The zero value is an anonymous caller.
type Caller struct {
	UserID  string
	Email   string
	Name    string
	Roles   []string
	Session string
}

// Known reports whether the caller is signed in.
func (c Caller) Known() bool { return c.UserID != "" }

// Has reports whether the caller has the role. An administrator has the staff role too.
func (c Caller) Has(role string) bool {
	return slices.Contains(c.Roles, role) || (role == Staff && slices.Contains(c.Roles, Admin))
}

// Keys finds public keys.
type Keys interface {
	// Key returns the public key of a key id, and false if there is none. An error means that the keys are unavailable.
	Key(ctx context.Context, kid string) (ed25519.PublicKey, bool, error)
}

// Verifier verifies access tokens. It checks the signature of a token once and caches the claims, which are valid until
// the token expires or its key is withdrawn. It is safe for concurrent use.
type Verifier struct {
	keys     Keys
	claims   *jwt.Validator
	verified *otter.Cache[[sha256.Size]byte, verifiedToken] // by the hash of the token
}

// verifiedToken is a token whose signature was valid.
type verifiedToken struct {
	claims Claims
	kid    string
	key    ed25519.PublicKey // that the signature was checked with
}

// maxVerified bounds the cache. A token takes about 1 KiB.
const maxVerified = 10_000

// NewVerifier makes a verifier. now is the clock for expiry, with a leeway of 5 s for clocks that differ.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	return &Verifier{
		keys: keys,
		claims: jwt.NewValidator(jwt.WithIssuer(Issuer), jwt.WithAudience(Audience), jwt.WithIssuedAt(),
			jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(now)),
		verified: otter.Must(&otter.Options[[sha256.Size]byte, verifiedToken]{MaximumSize: maxVerified}),
	}
}

var errInvalid = fault.New(fault.Unauthenticated, "invalid-token", "The access token is not valid or has expired.")

// Verify returns the caller of an access token. Errors: invalid-token (401), or unavailable (503) if the keys are
// unavailable.
func (v *Verifier) Verify(ctx context.Context, accessToken string) (Caller, error) {
	hash := sha256.Sum256([]byte(accessToken))
	token, cached := v.verified.GetIfPresent(hash)
	var keysErr error
	findKey := func(kid string) (ed25519.PublicKey, error) {
		key, ok, err := v.keys.Key(ctx, kid)
		if err != nil {
			keysErr = err
		} else if !ok {
			err = errors.New("unknown key")
		}
		return key, err
	}
	var err error
	if cached {
		err = v.checkAgain(token, findKey)
	} else {
		token, err = v.check(accessToken, findKey)
	}
	switch {
	case keysErr != nil:
		return Caller{}, fault.New(fault.Unavailable, "unavailable", "Sign-in cannot be checked just now.").
			After(time.Second).Because(keysErr)
	case err != nil:
		v.verified.Invalidate(hash)
		return Caller{}, errInvalid.Because(err)
	case !cached:
		v.verified.Set(hash, token)
	}
	c := token.claims
	return Caller{UserID: c.Subject, Email: c.Email, Name: c.Name, Roles: slices.Clone(c.Roles), Session: c.Session}, nil
}

type keyFinder func(kid string) (ed25519.PublicKey, error)

// header is the header of an access token.
type header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid"`
	Type      string `json:"typ,omitempty"`
}

// check checks the signature and the claims of a token. It decodes the parts itself, because the library accepts
// members that are there twice or in another case; see the package comment.
func (v *Verifier) check(accessToken string, findKey keyFinder) (token verifiedToken, err error) {
	parts := strings.Split(accessToken, ".")
	if len(parts) != 3 {
		return token, errors.New("a token has three parts")
	}
	var decoded [3][]byte
	for i, part := range parts {
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return token, err
		}
	}
	var h header
	if err := strictjson.UnmarshalKnown(decoded[0], &h); err != nil {
		return token, fmt.Errorf("header: %w", err)
	}
	// This refuses alg:none, and HMAC with a public key.
	if h.Algorithm != jwt.SigningMethodEdDSA.Alg() || (h.Type != "" && h.Type != "JWT") {
		return token, errors.New("the header is not that of an access token")
	}
	token.kid = h.KeyID
	if token.key, err = findKey(token.kid); err != nil {
		return token, err
	}
	if err := jwt.SigningMethodEdDSA.Verify(parts[0]+"."+parts[1], decoded[2], token.key); err != nil {
		return token, err
	}
	if err := strictjson.Unmarshal(decoded[1], &token.claims); err != nil {
		return token, fmt.Errorf("claims: %w", err)
	}
	return token, v.claims.Validate(token.claims)
}

// checkAgain checks the key and the claims of a token whose signature was valid.
func (v *Verifier) checkAgain(token verifiedToken, findKey keyFinder) error {
	key, err := findKey(token.kid)
	if err == nil && !key.Equal(token.key) {
		err = errors.New("the key id has another key now")
	}
	if err != nil {
		return err
	}
	return v.claims.Validate(token.claims)
}

type callerKey struct{}

type credentials struct {
	caller Caller
	token  string
}

// With puts the caller and their token into ctx. internal/sidecar sends the token with every call.
func With(ctx context.Context, c Caller, token string) context.Context {
	return context.WithValue(ctx, callerKey{}, credentials{c, token})
}

// Of returns the caller of ctx, the zero Caller if there is none.
func Of(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(credentials)
	return c.caller
}

// TokenOf returns the access token of ctx, empty if there is none.
func TokenOf(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(credentials)
	return c.token
}

// Require returns the caller of ctx. Errors: unauthenticated (401) if they are not signed in, and forbidden (403) if
// they do not have the role. With an empty role any signed-in caller will do.
func Require(ctx context.Context, role string) (Caller, error) {
	c := Of(ctx)
	if !c.Known() {
		return c, fault.New(fault.Unauthenticated, "unauthenticated", "Sign in first.")
	}
	if role != "" && !c.Has(role) {
		return c, fault.New(fault.Forbidden, "forbidden", "You are not allowed to do this.")
	}
	return c, nil
}

// Bearer returns the token of an Authorization header (RFC 6750, section 2.1).
func Bearer(header string) (token string, ok bool) {
	scheme, token, found := strings.Cut(header, " ")
	return strings.TrimSpace(token), found && strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != ""
}
