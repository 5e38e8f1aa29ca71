package identity_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// issuer signs tokens and serves its keys, counting how often it is asked.
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
		{KeyType: "RSA", ID: "other"}, {KeyType: "OKP", Curve: "Ed25519", ID: "short", X: "AAAA"}, identity.PublicJWK("k1", public),
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

func (i *issuer) verifier() *identity.Verifier {
	return identity.NewVerifier(identity.NewCached(i.fetch, i.clock), i.clock)
}

func claims() identity.Claims {
	return identity.Claims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: identity.Issuer, Subject: "u1", ExpiresAt: jwt.NewNumericDate(noon.Add(time.Minute))},
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

func TestAGoodTokenNamesItsCaller(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	caller, err := i.verifier().Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private))
	require.NoError(t, err)
	require.Equal(t, identity.Caller{UserID: "u1", Email: "ada@example.test", Name: "Ada", Roles: []string{"customer"}, Session: "s1"}, caller)
}

func TestForgeriesAreRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	public := i.private.Public().(ed25519.PublicKey)
	_, other, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	with := func(change func(*identity.Claims)) identity.Claims {
		c := claims()
		change(&c)
		return c
	}
	good := sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	admin, _ := json.Marshal(with(func(c *identity.Claims) { c.Roles = []string{"admin"} }))
	parts := [3]string{}
	for n, from := 0, 0; n < 3; n++ {
		to := len(good)
		for k := from; k < len(good); k++ {
			if good[k] == '.' {
				to = k
				break
			}
		}
		parts[n], from = good[from:to], to+1
	}
	warm := i.verifier() // has seen the good one
	_, err = warm.Verify(t.Context(), good)
	require.NoError(t, err)
	for name, token := range map[string]string{
		"expired":          sign(t, jwt.SigningMethodEdDSA, "k1", with(func(c *identity.Claims) { c.ExpiresAt = jwt.NewNumericDate(noon.Add(-6 * time.Second)) }), i.private),
		"never expires":    sign(t, jwt.SigningMethodEdDSA, "k1", with(func(c *identity.Claims) { c.ExpiresAt = nil }), i.private),
		"not yet":          sign(t, jwt.SigningMethodEdDSA, "k1", with(func(c *identity.Claims) { c.NotBefore = jwt.NewNumericDate(noon.Add(time.Minute)) }), i.private),
		"other issuer":     sign(t, jwt.SigningMethodEdDSA, "k1", with(func(c *identity.Claims) { c.Issuer = "evil" }), i.private),
		"nobody":           sign(t, jwt.SigningMethodEdDSA, "k1", with(func(c *identity.Claims) { c.Subject = "" }), i.private),
		"other key":        sign(t, jwt.SigningMethodEdDSA, "k1", claims(), other),
		"unknown kid":      sign(t, jwt.SigningMethodEdDSA, "k2", claims(), i.private),
		"kid of no key":    sign(t, jwt.SigningMethodEdDSA, "short", claims(), i.private),
		"alg none":         sign(t, jwt.SigningMethodNone, "k1", claims(), jwt.UnsafeAllowNoneSignatureType),
		"HMAC, public key": sign(t, jwt.SigningMethodHS256, "k1", claims(), []byte(public)),
		"other claims":     parts[0] + "." + base64.RawURLEncoding.EncodeToString(admin) + "." + parts[2],
		"no signature":     parts[0] + "." + parts[1] + ".",
		"not a token":      "x",
		"empty":            "",
	} {
		for _, v := range []*identity.Verifier{i.verifier(), warm, warm} {
			_, err := v.Verify(t.Context(), token)
			require.True(t, fault.Is(err, "invalid-token"), "%s: %v", name, err)
			require.Equal(t, fault.Unauthenticated, fault.Of(err).Kind)
		}
	}
	_, err = i.verifier().Verify(t.Context(), sign(t, jwt.SigningMethodEdDSA, "k1", with(func(c *identity.Claims) { c.ExpiresAt = jwt.NewNumericDate(noon.Add(-4 * time.Second)) }), i.private))
	require.NoError(t, err, "clocks differ a little")
}

func TestAKnownTokenStillExpires(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v, token := i.verifier(), sign(t, jwt.SigningMethodEdDSA, "k1", claims(), i.private)
	for range 2 {
		caller, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, []string{identity.Customer}, caller.Roles)
		caller.Roles[0] = identity.Admin // one's own copy
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

func TestANewKeyIsFoundAndAnOldOneForgotten(t *testing.T) {
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

func TestWithoutKeysItIsAnOutage(t *testing.T) {
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

func TestAnOutageIsNotRepeatedForEachToken(t *testing.T) {
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

func TestRolesAndRequire(t *testing.T) {
	t.Parallel()
	nobody := context.Background()
	staff := identity.With(nobody, identity.Caller{UserID: "s", Roles: []string{identity.Staff}}, "t")
	admin := identity.With(nobody, identity.Caller{UserID: "a", Roles: []string{identity.Admin}}, "t")
	for _, c := range []struct {
		ctx  context.Context
		role string
		want fault.Kind
	}{
		{nobody, "", fault.Unauthenticated}, {nobody, identity.Staff, fault.Unauthenticated}, {staff, "", -1}, {staff, identity.Staff, -1},
		{staff, identity.Admin, fault.Forbidden}, {admin, identity.Staff, -1}, {admin, identity.Admin, -1}, {admin, identity.Customer, fault.Forbidden},
	} {
		_, err := identity.Require(c.ctx, c.role)
		if c.want == -1 {
			require.NoError(t, err)
		} else {
			require.Equal(t, c.want, fault.Of(err).Kind)
		}
	}
	require.Equal(t, "t", identity.TokenOf(staff))
	require.Empty(t, identity.TokenOf(nobody))
}

func TestBearer(t *testing.T) {
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
