package httpx_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
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

func server(t *testing.T, token string) *httpx.Server {
	t.Helper()
	return httpx.NewServer(httpx.Options{Address: "127.0.0.1:0", AppToken: token, Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
}

func TestRequestIDsAreKeptIfTheyCanStandInALog(t *testing.T) {
	t.Parallel()
	var trace telemetry.Trace
	h := httpx.Trace(zerolog.Nop())(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { trace, _ = telemetry.TraceOf(r.Context()) }))
	require.Equal(t, "a-1", get(h, "/", "X-Request-Id", "a-1").Header().Get("X-Request-Id"))
	require.Equal(t, "a-1", trace.RequestID)
	for _, id := range []string{"", "a b", "a\nb", "é", strings.Repeat("x", 129)} {
		w := get(h, "/", "X-Request-Id", id)
		require.Equal(t, trace.ID, w.Header().Get("X-Request-Id"))
		require.Equal(t, trace.Parent(), w.Header().Get("traceparent"))
	}
}

func TestPanicsAreProblems(t *testing.T) {
	t.Parallel()
	s := server(t, "")
	s.Router.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("secret") })
	w := get(s.Router, "/panic")
	golden(t, "panic", w)
	s.Router.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { get(s.Router, "/abort") })
}

func TestOnlyTheSidecarComesIn(t *testing.T) {
	t.Parallel()
	s := server(t, "s3cret")
	s.Router.Get("/x", func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, http.StatusUnauthorized, get(s.Router, "/x").Code)
	require.Equal(t, http.StatusUnauthorized, get(s.Router, "/x", "dapr-api-token", "s3cre").Code)
	require.Equal(t, http.StatusOK, get(s.Router, "/x", "dapr-api-token", "s3cret").Code)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		require.Equal(t, http.StatusOK, get(s.Router, path).Code, path)
	}
}

func TestMetricsAreLabelledByRoute(t *testing.T) {
	t.Parallel()
	s := server(t, "")
	s.Router.Get("/things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	get(s.Router, "/things/secret-id")
	get(s.Router, "/nowhere/secret-id")
	metrics := get(s.Router, "/metrics").Body.String()
	require.Contains(t, metrics, `route="/things/{id}",status="418"`)
	require.Contains(t, metrics, `route="unmatched",status="404"`)
	require.NotContains(t, metrics, "secret-id")
}

func TestAnIllServiceSaysSoToItsSidecar(t *testing.T) {
	t.Parallel()
	s := server(t, "")
	var ill error
	s.Alive(func() error { return ill })
	require.Equal(t, http.StatusOK, get(s.Router, "/healthz").Code)
	ill = errors.New("wedged")
	w := get(s.Router, "/healthz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"status":"wedged"}`, w.Body.String())
}

func TestReadinessNamesWhatFails(t *testing.T) {
	t.Parallel()
	s := server(t, "")
	s.Ready("state", func(context.Context) error { return nil })
	require.Equal(t, http.StatusOK, get(s.Router, "/readyz").Code)
	s.Ready("broker", func(context.Context) error { return errors.New("down") })
	w := get(s.Router, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"status":"Service Unavailable","checks":{"state":"ok","broker":"down"}}`, w.Body.String())
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := server(t, "")
	require.NoError(t, s.Run(ctx))
	w := get(s.Router, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), "draining")
	bad := httpx.NewServer(httpx.Options{Address: "256.0.0.1:1", Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	require.Error(t, bad.Run(t.Context()))
}

// With LeaveTime, a server that is to end goes on serving, and sends its clients away.
func TestClientsLeaveBeforeTheEnd(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := httpx.NewServer(httpx.Options{LeaveTime: 24 * time.Hour, Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	ctx, end := context.WithCancel(t.Context())
	go func() { _ = s.Serve(ctx, listener) }() // ends with the test's process
	url := "http://" + listener.Addr().String()
	ask := func(path string) *http.Response {
		res, err := http.Get(url + path)
		require.NoError(t, err)
		res.Body.Close()
		return res
	}
	require.False(t, ask("/healthz").Close)
	end()
	require.Eventually(t, func() bool { return ask("/readyz").StatusCode == http.StatusServiceUnavailable }, 10*time.Second, time.Millisecond)
	res := ask("/healthz")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.True(t, res.Close, "another connection next time")
}

type oneKey struct {
	key ed25519.PublicKey
	err error
}

func (k oneKey) Key(context.Context, string) (ed25519.PublicKey, bool, error) {
	return k.key, true, k.err
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: identity.Issuer, Subject: "u1", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute))},
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
