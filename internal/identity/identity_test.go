package identity_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// issuer signs tokens and serves its keys, and counts how often it is asked for them.
type issuer struct {
	mu      sync.Mutex
	private ed25519.PrivateKey
	set     identity.JWKS
	fetches int
	err     error
	now     time.Time
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return &issuer{private: private, now: noon, set: identity.JWKS{Keys: []identity.JWK{
		{KeyType: "RSA", ID: "other"}, {KeyType: "OKP", Curve: "Ed25519", ID: "short", X: "AAAA"},
		identity.PublicJWK("k1", public),
	}}}
}

func (i *issuer) fetch(context.Context) (identity.JWKS, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	return i.set, i.err
}

func (i *issuer) clock() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.now
}

func (i *issuer) wait(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = i.now.Add(d)
}

// withdraw replaces the keys by none.
func (i *issuer) withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.set = identity.JWKS{}
}

func (i *issuer) verifier() *identity.Verifier {
	return identity.NewVerifier(identity.NewCached(i.fetch, i.clock), i.clock)
}

func claims() identity.Claims {
	return identity.Claims{
		RegisteredClaims: identity.Registered("u1", noon, time.Minute),
		Email:            "ada@example.test", Name: "Ada", Roles: []string{identity.Customer}, Session: "s1",
	}
}

func sign(t testing.TB, method jwt.SigningMethod, kid string, c jwt.Claims, key any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = kid
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func TestAValidTokenHasACaller(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	caller, err := i.verifier().Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private))
	require.NoError(t, err)
	require.Equal(t, identity.Caller{UserID: "u1", Email: "ada@example.test", Name: "Ada", Roles: []string{"customer"},
		Session: "s1"}, caller)
}

func TestForgeriesAreRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	public := i.private.Public().(ed25519.PublicKey)
	_, other, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	changed := func(change func(*identity.Claims)) identity.Claims {
		c := claims()
		change(&c)
		return c
	}
	signed := func(change func(*identity.Claims)) string {
		return sign(t, jwt.SigningMethodEdDSA, "k1", changed(change), i.private)
	}
	expires := func(at time.Time) func(*identity.Claims) {
		return func(c *identity.Claims) {
			c.IssuedAt, c.ExpiresAt = jwt.NewNumericDate(at.Add(-time.Minute)), jwt.NewNumericDate(at)
		}
	}
	// raw signs a header and claims as they are written.
	raw := func(header, claims string) string {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
			base64.RawURLEncoding.EncodeToString([]byte(claims))
		return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(i.private, []byte(text)))
	}
	const goodHeader = `{"alg":"EdDSA","kid":"k1"}`
	written, err := json.Marshal(claims())
	require.NoError(t, err)
	goodClaims := string(written)
	_, err = i.verifier().Verify(t.Context(), raw(goodHeader, goodClaims))
	require.NoError(t, err)
	with := func(members string) string { return strings.TrimSuffix(goodClaims, "}") + "," + members + "}" }
	valid := sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	admin, _ := json.Marshal(changed(func(c *identity.Claims) { c.Roles = []string{"admin"} }))
	parts := strings.Split(valid, ".")
	require.Len(t, parts, 3)
	warm := i.verifier() // has the valid token in its cache
	_, err = warm.Verify(t.Context(), valid)
	require.NoError(t, err)
	soon := jwt.NewNumericDate(noon.Add(time.Minute))
	for name, token := range map[string]string{
		"expired":        signed(expires(noon.Add(-6 * time.Second))),
		"never expires":  signed(func(c *identity.Claims) { c.ExpiresAt = nil }),
		"not yet valid":  signed(func(c *identity.Claims) { c.NotBefore = soon }),
		"other issuer":   signed(func(c *identity.Claims) { c.Issuer = "evil" }),
		"no subject":     signed(func(c *identity.Claims) { c.Subject = "" }),
		"no audience":    signed(func(c *identity.Claims) { c.Audience = nil }),
		"other audience": signed(func(c *identity.Claims) { c.Audience = jwt.ClaimStrings{"another-api"} }),
		"issued later":   signed(func(c *identity.Claims) { c.IssuedAt = jwt.NewNumericDate(noon.Add(6 * time.Second)) }),
		"no issue time":  signed(func(c *identity.Claims) { c.IssuedAt = nil }),
		"valid too long": signed(func(c *identity.Claims) {
			c.ExpiresAt = jwt.NewNumericDate(noon.Add(identity.MaxLife + time.Second))
		}),
		"valid too long, nearly over": signed(func(c *identity.Claims) {
			c.IssuedAt = jwt.NewNumericDate(noon.Add(-24 * time.Hour))
		}),
		"issue time of a text":      raw(goodHeader, strings.Replace(goodClaims, `"iat":`, `"iat":"x","_":`, 1)),
		"roles twice":               raw(goodHeader, with(`"roles":["admin"]`)),
		"roles in another case":     raw(goodHeader, strings.Replace(goodClaims, `"sub"`, `"SUB"`, 1)),
		"a nested member twice":     raw(goodHeader, with(`"x":{"y":1,"y":2}`)),
		"algorithm twice":           raw(`{"alg":"none","kid":"k1","alg":"EdDSA"}`, goodClaims),
		"key id twice":              raw(`{"alg":"EdDSA","kid":"k2","kid":"k1"}`, goodClaims),
		"critical extension":        raw(`{"alg":"EdDSA","kid":"k1","crit":["exp"],"exp":1}`, goodClaims),
		"no critical extension":     raw(`{"alg":"EdDSA","kid":"k1","crit":[]}`, goodClaims),
		"own key":                   raw(`{"alg":"EdDSA","kid":"k1","jwk":{"kty":"OKP"}}`, goodClaims),
		"address of a key":          raw(`{"alg":"EdDSA","kid":"k1","jku":"https://evil.test"}`, goodClaims),
		"encrypted":                 raw(`{"alg":"EdDSA","kid":"k1","typ":"JWE"}`, goodClaims),
		"no key id":                 raw(`{"alg":"EdDSA"}`, goodClaims),
		"text after the claims":     raw(goodHeader, goodClaims+"{}"),
		"claims that are a list":    raw(goodHeader, "["+goodClaims+"]"),
		"four parts":                valid + ".",
		"padding":                   parts[0] + "=." + parts[1] + "." + parts[2],
		"signature in another form": parts[0] + "." + parts[1] + "." + otherForm(parts[2]),
		"other key":                 sign(t, jwt.SigningMethodEdDSA, "k1", claims(), other),
		"unknown kid":               sign(t, jwt.SigningMethodEdDSA, "k2", claims(), i.private),
		"kid of no key":             sign(t, jwt.SigningMethodEdDSA, "short", claims(), i.private),
		"alg none":                  sign(t, jwt.SigningMethodNone, "k1", claims(), jwt.UnsafeAllowNoneSignatureType),
		"HMAC, public key":          sign(t, jwt.SigningMethodHS256, "k1", claims(), []byte(public)),
		"other claims":              parts[0] + "." + base64.RawURLEncoding.EncodeToString(admin) + "." + parts[2],
		"no signature":              parts[0] + "." + parts[1] + ".",
		"not a token":               "x",
		"empty":                     "",
	} {
		for _, v := range []*identity.Verifier{i.verifier(), warm, warm} {
			_, err := v.Verify(t.Context(), token)
			require.True(t, fault.Is(err, "invalid-token"), "%s: %v", name, err)
			require.Equal(t, fault.Unauthenticated, fault.Of(err).Kind)
		}
	}
	_, err = i.verifier().Verify(t.Context(), signed(expires(noon.Add(-4*time.Second))))
	require.NoError(t, err, "clocks differ a little")
}

// otherForm changes a bit of base64url text that the decoded bytes do not have.
func otherForm(text string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(digits, text[len(text)-1])
	return text[:len(text)-1] + digits[last|1:last|1+1]
}

func TestACachedTokenExpires(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v, token := i.verifier(), sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	for range 2 {
		caller, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, []string{identity.Customer}, caller.Roles)
		caller.Roles[0] = identity.Admin // must not change the cache
	}
	i.wait(time.Minute + 4*time.Second)
	_, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	i.wait(2 * time.Second)
	for range 2 {
		_, err = v.Verify(t.Context(), token)
		require.True(t, fault.Is(err, "invalid-token"), "%v", err)
	}
}

func TestMadeUpKeyIDsDoNotFloodTheIssuer(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier()
	for range 100 {
		_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "made-up", claims(), i.private))
		require.Error(t, err)
	}
	require.Equal(t, 1, i.fetches)
	for range 100 {
		_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private))
		require.NoError(t, err)
	}
	require.Equal(t, 1, i.fetches)
}

func TestAWithdrawnKeyIsReplacedByANewOne(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier()
	old := sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	_, err := v.Verify(t.Context(), old)
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	i.set = identity.JWKS{Keys: []identity.JWK{identity.PublicJWK("k2", public)}}
	i.wait(2 * time.Second)
	_, err = v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "k2", claims(), private))
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), old)
	require.True(t, fault.Is(err, "invalid-token"))
}

// A key that users does not publish any more verifies no tokens, even if no token with another key is seen.
func TestAWithdrawnKeyIsForgotten(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	keys := identity.NewCached(i.fetch, i.clock)
	has := func() bool {
		_, ok, err := keys.Key(t.Context(), "k1")
		require.NoError(t, err)
		return ok
	}
	require.True(t, has())
	i.withdraw()
	i.wait(5*time.Minute - time.Second)
	require.True(t, has())
	i.wait(time.Second)
	require.Eventually(t, func() bool { return !has() }, 20*time.Second, time.Millisecond)
}

func TestAKeySetIsBounded(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	token := sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	public := i.private.Public().(ed25519.PublicKey)
	many := identity.JWKS{}
	for n := range 17 {
		many.Keys = append(many.Keys, identity.PublicJWK("k"+strconv.Itoa(n), public))
	}
	long := identity.PublicJWK(strings.Repeat("k", 65), public)
	encrypts := identity.PublicJWK("k1", public)
	encrypts.Use = "enc"
	for name, set := range map[string]identity.JWKS{
		"too many keys": many,
		"an id twice":   {Keys: []identity.JWK{identity.PublicJWK("k1", public), identity.PublicJWK("k1", public)}},
	} {
		i.set = set
		_, err := i.verifier().Verify(t.Context(), token)
		require.Equal(t, fault.Unavailable, fault.Of(err).Kind, name)
	}
	i.set = identity.JWKS{Keys: []identity.JWK{encrypts, long}}
	for _, kid := range []string{"k1", long.ID} {
		_, err := i.verifier().Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, kid, claims(), i.private))
		require.True(t, fault.Is(err, "invalid-token"), "%v", err)
	}
}

func TestWithoutKeysTheVerifierIsUnavailable(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.err = errors.New("users is down")
	v := i.verifier()
	token := sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	_, err := v.Verify(t.Context(), token)
	require.Equal(t, fault.Unavailable, fault.Of(err).Kind)
	require.NotZero(t, fault.Of(err).RetryAfter)
	i.err = nil
	i.wait(time.Second)
	_, err = v.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestAFailedFetchIsNotRepeatedForEachToken(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.err = errors.New("users is down")
	v := i.verifier()
	for range 100 {
		_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private))
		require.Equal(t, fault.Unavailable, fault.Of(err).Kind)
	}
	require.Equal(t, 1, i.fetches)
}

func TestRequireChecksSignInAndRole(t *testing.T) {
	t.Parallel()
	anonymous := context.Background()
	staff := identity.With(anonymous, identity.Caller{UserID: "s", Roles: []string{identity.Staff}}, "t")
	admin := identity.With(anonymous, identity.Caller{UserID: "a", Roles: []string{identity.Admin}}, "t")
	for _, c := range []struct {
		ctx  context.Context
		role string
		want fault.Kind
	}{
		{anonymous, "", fault.Unauthenticated}, {anonymous, identity.Staff, fault.Unauthenticated},
		{staff, "", -1}, {staff, identity.Staff, -1}, {staff, identity.Admin, fault.Forbidden},
		{admin, identity.Staff, -1}, {admin, identity.Admin, -1}, {admin, identity.Customer, fault.Forbidden},
	} {
		_, err := identity.Require(c.ctx, c.role)
		if c.want == -1 {
			require.NoError(t, err)
		} else {
			require.Equal(t, c.want, fault.Of(err).Kind)
		}
	}
	require.Equal(t, "t", identity.TokenOf(staff))
	require.Empty(t, identity.TokenOf(anonymous))
}

func TestBearerReadsTheAuthorizationHeader(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{"Bearer abc": "abc", "bearer abc": "abc", "BEARER  abc ": "abc"} {
		got, ok := identity.Bearer(header)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic abc", "abc", "Bearerabc"} {
		_, ok := identity.Bearer(header)
		require.False(t, ok, header)
	}
}
