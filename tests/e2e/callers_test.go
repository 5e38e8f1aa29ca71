package e2e

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
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

// ask makes a call. It does not wait for the end of a stream, and goes on after a failure.
func ask(t *testing.T, c *api.Client, r api.Request) *api.Answer {
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

// headOnly gives answers without their body, where they are good.
type headOnly struct{ http.RoundTripper }

func (h headOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := h.RoundTripper.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusOK {
		res.Body.Close()
		res.Body = http.NoBody
	}
	return res, err
}

// employee is somebody with that role and no other. The first administrator, whom all tests share, is not to get a
// password wrong.
func employee(t *testing.T, role string) *api.Client {
	t.Helper()
	email, password := api.NewEmail(), api.NewKey()
	user, err := theClient.Register(t.Context(), email, password, "Grace Hopper")
	require.NoError(t, err)
	put(t, staff(t), http.MethodPut, "/api/v1/users/"+user.ID+"/roles", `{"roles":["`+role+`"]}`)
	session, err := theClient.Login(t.Context(), email, password)
	require.NoError(t, err)
	return theClient.As(session.AccessToken)
}

// forgeries are callers with what looks like a good access token: one that the shop's own key signed and that has
// expired, the same signed with another key under the shop's key id, and one with no signature at all.
func forgeries(t *testing.T, good string) []*api.Client {
	t.Helper()
	kid, key := signingKey(t)
	sign := func(method jwt.SigningMethod, by any, expires time.Time) *api.Client {
		var claims identity.Claims
		_, _, err := jwt.NewParser().ParseUnverified(good, &claims)
		require.NoError(t, err)
		claims.ExpiresAt, claims.Roles = jwt.NewNumericDate(expires), []string{identity.Customer, identity.Staff, identity.Admin}
		token := jwt.NewWithClaims(method, claims)
		token.Header["kid"] = kid
		text, err := token.SignedString(by)
		require.NoError(t, err)
		return theClient.As(text)
	}
	_, foreign, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	later := time.Now().Add(time.Hour)
	// All that is wrong with the expired one is its time.
	require.Equal(t, http.StatusOK, ask(t, sign(jwt.SigningMethodEdDSA, key, later), api.Request{Method: http.MethodGet, Path: "/api/v1/stock/" + stocked(t, 1)}).Status)
	return []*api.Client{
		sign(jwt.SigningMethodEdDSA, key, time.Now().Add(-time.Minute)),
		sign(jwt.SigningMethodEdDSA, foreign, later),
		sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, later),
	}
}

// signingKey opens the shop's own key as only the users service can: from its store, through its sidecar, with the
// secret that seals it.
func signingKey(t *testing.T) (kid string, key ed25519.PrivateKey) {
	t.Helper()
	res, err := http.Get(theShop.SidecarHTTP("users") + "/v1.0/state/state/signing-keys")
	require.NoError(t, err)
	defer res.Body.Close()
	var ring struct {
		Keys []struct {
			Kid    string
			Sealed []byte
		}
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&ring))
	require.NotEmpty(t, ring.Keys)
	secret, err := theShop.Secret("KEY_ENCRYPTION_KEY")
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
