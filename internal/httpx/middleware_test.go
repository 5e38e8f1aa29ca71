package httpx_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestValidRequestIDsAreReturned(t *testing.T) {
	t.Parallel()
	var ctx context.Context
	h := httpx.Trace(zerolog.Nop())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx = r.Context()
	}))
	require.Equal(t, "a-1", get(h, "/", "X-Request-Id", "a-1").Header().Get("X-Request-Id"))
	require.Equal(t, "a-1", telemetry.RequestID(ctx))
	for _, id := range []string{"", "a b", "a\nb", "é", strings.Repeat("x", 129)} {
		w := get(h, "/", "X-Request-Id", id)
		require.Equal(t, telemetry.TraceID(ctx), w.Header().Get("X-Request-Id"))
		require.Equal(t, telemetry.TraceParent(ctx), w.Header().Get("traceparent"))
	}
}

func TestBaggageOfStrangersGoesNoFurther(t *testing.T) {
	t.Parallel()
	var baggage string
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { baggage = telemetry.Baggage(r.Context()) })
	get(httpx.Trace(zerolog.Nop())(h), "/", "Baggage", "tenant=north")
	require.Equal(t, "tenant=north", baggage)
	get(httpx.LinkTrace(zerolog.Nop())(h), "/", "Baggage", "tenant=north")
	require.Empty(t, baggage)
}

func TestPanicsBecomeProblems(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	r.Use(httpx.Recover)
	r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("secret") })
	golden(t, "panic", get(r, "/panic"))
	r.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { get(r, "/abort") })
}

// oneKey is a set of keys that consists of one key, or cannot be read.
type oneKey struct {
	key ed25519.PublicKey
	err error
}

func (k oneKey) Key(context.Context, string) (ed25519.PublicKey, bool, error) {
	return k.key, true, k.err
}

func TestOnlyValidTokensAuthenticateACaller(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		RegisteredClaims: identity.Registered("u1", time.Now(), time.Minute),
		Roles:            []string{identity.Staff},
	}).SignedString(private)
	require.NoError(t, err)
	var caller identity.Caller
	var sent string
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		caller, sent = identity.Of(r.Context()), identity.TokenOf(r.Context())
	})
	h := httpx.Authenticate(identity.NewVerifier(oneKey{key: public}, time.Now))(next)
	require.Equal(t, http.StatusOK, get(h, "/", "Authorization", "Bearer "+token).Code)
	require.Equal(t, "u1", caller.UserID)
	require.Equal(t, token, sent)
	require.Equal(t, http.StatusOK, get(h, "/").Code)
	require.False(t, caller.Known())
	require.Empty(t, sent)
	golden(t, "not-bearer", get(h, "/", "Authorization", "Basic dTpw"))
	golden(t, "invalid-token", get(h, "/", "Authorization", "Bearer "+token+"x"))
	outage := httpx.Authenticate(identity.NewVerifier(oneKey{err: errors.New("secret")}, time.Now))(next)
	golden(t, "no-keys", get(outage, "/", "Authorization", "Bearer "+token))
}
