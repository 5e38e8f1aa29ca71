package e2e

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/identity"
	"haberdash/tests/api"
)

// sendRequest sends a request. It does not wait for the end of a stream. If there is no answer, the test fails but goes
// on.
func sendRequest(t *testing.T, c *api.Client, r api.Request) *api.Answer {
	t.Helper()
	if strings.HasSuffix(r.Path, "/stream") {
		c = c.As(c.Token)
		c.HTTP = &http.Client{Transport: headOnly{c.HTTP.Transport}, Timeout: c.HTTP.Timeout}
	}
	a, err := c.Do(t.Context(), r)
	if !assert.NoError(t, err) {
		return &api.Answer{}
	}
	return a
}

// headOnly drops the bodies of answers with status 200.
type headOnly struct{ http.RoundTripper }

func (h headOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := h.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusOK {
		res.Body.Close()
		res.Body = http.NoBody
	}
	return res, err
}

// employee returns a new user with one role. Tests that send wrong passwords need it: after those, the shared
// administrator could not sign in for a while.
func employee(t *testing.T, role string) *api.Client {
	t.Helper()
	email, password := api.NewEmail(), api.NewKey()
	user, err := sharedClient.Register(t.Context(), email, password, "Grace Hopper")
	require.NoError(t, err)
	mustCall(t, staff(t), http.MethodPut, "/api/v1/users/"+user.ID+"/roles", `{"roles":["`+role+`"]}`)
	session, err := sharedClient.Login(t.Context(), email, password)
	require.NoError(t, err)
	return sharedClient.As(session.AccessToken)
}

// forgeries returns callers with invalid access tokens that look valid. All but two are signed with the shop's own key,
// as by somebody who has stolen it: one has expired, one is valid for too long, one does not say since when, one begins
// later, one is for another audience and one for none, one has a member twice, and one has an unknown extension.
// Another is signed with another key under the id of the shop's key, and another is not signed.
func forgeries(t *testing.T, valid string) []*api.Client {
	t.Helper()
	kid, key := signingKey(t)
	part := func(v any) string {
		text, ok := v.(string)
		if !ok {
			encoded, err := json.Marshal(v)
			require.NoError(t, err)
			text = string(encoded)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	}
	header := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"JWT"}`, kid)
	sign := func(header string, by ed25519.PrivateKey, claims any) *api.Client {
		text := part(header) + "." + part(claims)
		return sharedClient.As(text + "." + part(string(ed25519.Sign(by, []byte(text)))))
	}
	claims := func(change func(*identity.Claims)) identity.Claims {
		var c identity.Claims
		_, _, err := jwt.NewParser().ParseUnverified(valid, &c)
		require.NoError(t, err)
		c.RegisteredClaims = identity.Registered(c.Subject, time.Now(), identity.MaxLife)
		c.Roles = []string{identity.Customer, identity.Staff, identity.Admin}
		change(&c)
		return c
	}
	unchanged := claims(func(*identity.Claims) {})
	written, err := json.Marshal(unchanged)
	require.NoError(t, err)
	_, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	hour := jwt.NewNumericDate(time.Now().Add(time.Hour))
	// The forgeries are valid but for what they say that they are.
	read := api.Request{Method: http.MethodGet, Path: "/api/v1/stock/" + importProduct(t, 1)}
	require.Equal(t, http.StatusOK, sendRequest(t, sign(header, key, unchanged), read).Status)
	return []*api.Client{
		sign(header, key, claims(func(c *identity.Claims) {
			c.RegisteredClaims = identity.Registered(c.Subject, time.Now().Add(-time.Hour), identity.MaxLife)
		})),
		sign(header, key, claims(func(c *identity.Claims) { c.ExpiresAt = hour })),
		sign(header, key, claims(func(c *identity.Claims) { c.IssuedAt = nil })),
		sign(header, key, claims(func(c *identity.Claims) { c.IssuedAt, c.ExpiresAt = hour, hour })),
		sign(header, key, claims(func(c *identity.Claims) { c.Audience = jwt.ClaimStrings{"another-api"} })),
		sign(header, key, claims(func(c *identity.Claims) { c.Audience = nil })),
		sign(header, key, strings.TrimSuffix(string(written), "}")+`,"roles":["admin"]}`),
		sign(strings.TrimSuffix(header, "}")+`,"crit":["x"],"x":1}`, key, unchanged),
		sign(header, foreign, unchanged),
		sharedClient.As(part(fmt.Sprintf(`{"alg":"none","kid":%q,"typ":"JWT"}`, kid)) + "." + part(unchanged) + "."),
	}
}

// signingKey reads the private key that signs access tokens, as only the users service can: from its store, through its
// sidecar, and decrypted with its secret.
func signingKey(t *testing.T) (kid string, key ed25519.PrivateKey) {
	t.Helper()
	var ring struct {
		Keys []struct {
			Kid    string
			Sealed []byte
		}
	}
	readDocument(t, sharedShop, "users", "signing-keys", &ring)
	require.NotEmpty(t, ring.Keys)
	secret, err := sharedShop.Secret("KEY_ENCRYPTION_KEY")
	require.NoError(t, err)
	seal, err := hkdf.Key(sha256.New, []byte(secret), nil, "haberdash users signing keys 1", 32)
	require.NoError(t, err)
	block, err := aes.NewCipher(seal)
	require.NoError(t, err)
	opener, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	seed, err := opener.Open(nil, nil, ring.Keys[0].Sealed, []byte(ring.Keys[0].Kid))
	require.NoError(t, err)
	return ring.Keys[0].Kid, ed25519.NewKeyFromSeed(seed)
}
