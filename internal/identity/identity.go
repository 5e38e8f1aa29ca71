// Package identity verifies access tokens offline and tells a handler who is calling.
//
// Tokens are JWTs signed with Ed25519 (RFC 8037, alg EdDSA) by the users service, whose public keys are a
// JWK set. Every service verifies for itself: the gateway's word is not enough.
package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/maypok86/otter/v2"

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

// Verifier checks access tokens against the keys. A signature is checked once: what it proved is kept, and holds
// until the token expires or its key is withdrawn.
type Verifier struct {
	keys   Keys
	parser *jwt.Parser
	times  *jwt.Validator
	proved *otter.Cache[[sha256.Size]byte, proof]
}

// proof is what the signature of a token was found to prove.
type proof struct {
	claims Claims
	kid    string
	key    ed25519.PublicKey
}

// maxProofs bounds the memory: about 1 KiB each.
const maxProofs = 10_000

// NewVerifier makes a verifier. Expiry is judged by now, with 5 s of leeway for clocks that differ.
func NewVerifier(keys Keys, now func() time.Time) *Verifier {
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), // alg:none and HMAC with a public key die here
		jwt.WithIssuer(Issuer), jwt.WithExpirationRequired(), jwt.WithLeeway(5 * time.Second), jwt.WithTimeFunc(now),
	}
	return &Verifier{
		keys: keys, parser: jwt.NewParser(options...), times: jwt.NewValidator(options...),
		proved: otter.Must(&otter.Options[[sha256.Size]byte, proof]{MaximumSize: maxProofs}),
	}
}

var errInvalid = fault.New(fault.Unauthenticated, "invalid-token", "The access token is not valid or has expired.")

// Verify gives the caller that a token proves. It fails with invalid-token (401), or unavailable (503)
// when the keys cannot be had.
func (v *Verifier) Verify(ctx context.Context, token string) (Caller, error) {
	hash := sha256.Sum256([]byte(token))
	p, known := v.proved.GetIfPresent(hash)
	var outage error
	key := func(kid string) (ed25519.PublicKey, error) {
		key, ok, err := v.keys.Key(ctx, kid)
		if err != nil {
			outage = err
		} else if !ok {
			err = errors.New("unknown key")
		}
		return key, err
	}
	var err error
	if known {
		err = v.holds(p, key)
	} else {
		p, err = v.prove(token, key)
	}
	switch {
	case outage != nil:
		return Caller{}, fault.New(fault.Unavailable, "unavailable", "Sign-in cannot be checked just now.").After(time.Second).Because(outage)
	case err != nil || p.claims.Subject == "":
		v.proved.Invalidate(hash)
		return Caller{}, errInvalid.Because(err)
	case !known:
		v.proved.Set(hash, p)
	}
	c := p.claims
	return Caller{UserID: c.Subject, Email: c.Email, Name: c.Name, Roles: slices.Clone(c.Roles), Session: c.Session}, nil
}

// prove checks a token, signature and all.
func (v *Verifier) prove(token string, find func(kid string) (ed25519.PublicKey, error)) (p proof, err error) {
	_, err = v.parser.ParseWithClaims(token, &p.claims, func(t *jwt.Token) (any, error) {
		p.kid, _ = t.Header["kid"].(string)
		var err error
		p.key, err = find(p.kid)
		return p.key, err
	})
	return p, err
}

// holds tells whether what was proved once still is.
func (v *Verifier) holds(p proof, find func(kid string) (ed25519.PublicKey, error)) error {
	key, err := find(p.kid)
	if err == nil && !key.Equal(p.key) {
		err = errors.New("another key")
	}
	if err != nil {
		return err
	}
	return v.times.Validate(&p.claims)
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
