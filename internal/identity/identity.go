// Package identity verifies access tokens offline and tells a handler who is calling.
//
// Tokens are JWTs signed with Ed25519 (RFC 8037, alg EdDSA) by the users service, whose public keys are a
// JWK set. Every service verifies for itself: the gateway's word is not enough.
package identity

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"haberdash/internal/fault"
)

// Issuer is the iss claim of every access token.
const Issuer = "haberdash"

// Roles.
const (
	Customer = "customer"
	Staff    = "staff"
	Admin    = "admin"
)

// Claims of an access token. Subject is the user's id.
type Claims struct {
	jwt.RegisteredClaims
	Email   string   `json:"email,omitempty"`
	Name    string   `json:"name,omitempty"`
	Roles   []string `json:"roles"`
	Session string   `json:"sid,omitempty"`
}

// Caller is who a request comes from. The zero value is nobody.
type Caller struct {
	UserID  string
	Email   string
	Name    string
	Roles   []string
	Session string
}

// Known reports whether the caller has proved who they are.
func (c Caller) Known() bool { return c.UserID != "" }

// Has reports whether the caller holds the role; an administrator holds the staff role too.
func (c Caller) Has(role string) bool {
	return slices.Contains(c.Roles, role) || (role == Staff && slices.Contains(c.Roles, Admin))
}

// Keys finds the public key of a key id. It answers false for a key it does not know after having looked
// afresh, and an error when it could not look.
type Keys interface {
	Key(ctx context.Context, kid string) (ed25519.PublicKey, bool, error)
}

// Verifier checks access tokens against the keys.
type Verifier struct {
	keys   Keys
	parser *jwt.Parser
}

// NewVerifier makes a verifier. Expiry is judged by now, with 5 s of leeway for clocks that differ.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	return &Verifier{keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), // alg:none and HMAC with a public key die here
		jwt.WithIssuer(Issuer), jwt.WithExpirationRequired(), jwt.WithLeeway(5*time.Second), jwt.WithTimeFunc(now),
	)}
}

var errInvalid = fault.New(fault.Unauthenticated, "invalid-token", "The access token is not valid or has expired.")

// Verify gives the caller that a token proves. It fails with invalid-token (401), or unavailable (503)
// when the keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, token string) (Caller, error) {
	var claims Claims
	var outage error
	_, err := v.parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		key, ok, err := v.keys.Key(ctx, kid)
		if err != nil {
			outage = err
			return nil, err
		}
		if !ok {
			return nil, errors.New("unknown key")
		}
		return key, nil
	})
	if outage != nil {
		return Caller{}, fault.New(fault.Unavailable, "unavailable", "Sign-in cannot be checked just now.").After(time.Second).Because(outage)
	}
	if err != nil || claims.Subject == "" {
		return Caller{}, errInvalid.Because(err)
	}
	return Caller{UserID: claims.Subject, Email: claims.Email, Name: claims.Name, Roles: claims.Roles, Session: claims.Session}, nil
}

type callerKey struct{}

type credentials struct {
	caller Caller
	token  string
}

// With puts the caller, and the token that proved it, into ctx; the token travels on with every hop.
func With(ctx context.Context, c Caller, token string) context.Context {
	return context.WithValue(ctx, callerKey{}, credentials{c, token})
}

// Of gives the caller of ctx.
func Of(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(credentials)
	return c.caller
}

// TokenOf gives the access token of ctx, empty for nobody.
func TokenOf(ctx context.Context) string {
	c, _ := ctx.Value(callerKey{}).(credentials)
	return c.token
}

// Require refuses a caller who is nobody (401) or lacks the role (403). An empty role asks only for
// somebody.
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

// Bearer reads the token of an Authorization header (RFC 6750, section 2.1).
func Bearer(header string) (token string, ok bool) {
	scheme, token, found := strings.Cut(header, " ")
	return strings.TrimSpace(token), found && strings.EqualFold(scheme, "Bearer") && strings.TrimSpace(token) != ""
}
