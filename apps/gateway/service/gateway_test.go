package service_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

// shop is a gateway over a mesh of fake services.
type shop struct {
	http.Handler
	mesh    *memory.Mesh
	private ed25519.PrivateKey
}

type keys map[string]ed25519.PublicKey

func (k keys) Key(_ context.Context, kid string) (ed25519.PublicKey, bool, error) {
	key, ok := k[kid]
	return key, ok, nil
}

func open(t testing.TB, config service.Config) *shop {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s := &shop{mesh: memory.NewMesh(), private: private}
	g, err := service.New(service.Deps{
		Config: config, Invoker: s.mesh, Log: zerolog.Nop(),
		Verifier: identity.NewVerifier(keys{"k1": public}, time.Now),
	})
	require.NoError(t, err)
	server := httpx.NewServer(httpx.Options{Log: zerolog.Nop(), Registry: prometheus.NewRegistry()})
	g.Mount(server, func(context.Context) error { return nil })
	s.Handler = server.Router
	return s
}

func (s *shop) token(t *testing.T, user string, expires time.Time) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{RegisteredClaims: jwt.RegisteredClaims{
		Issuer: identity.Issuer, Subject: user, ExpiresAt: jwt.NewNumericDate(expires),
	}})
	token.Header["kid"] = "k1"
	text, err := token.SignedString(s.private)
	require.NoError(t, err)
	return text
}

// ask sends a request; header is name, value, name, value …
func (s *shop) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, "/", in)
	path, query, _ := strings.Cut(target, "?")
	r.URL.RawQuery = query
	if err := setPath(r, path); err != nil {
		panic(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// setPath parses a path as a server does, without the cleaning that clients do.
func setPath(r *http.Request, path string) error {
	u, err := r.URL.Parse("http://gateway.test/")
	if err != nil {
		return err
	}
	decoded, err := pathUnescape(path)
	if err != nil {
		return err
	}
	u.Path, u.RawPath, u.RawQuery = decoded, path, r.URL.RawQuery
	r.URL = u
	return nil
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), w.Body.String())
	var p map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.EqualValues(t, w.Code, p["status"])
	return p
}

// requireProblem checks an answer's status and problem type.
func requireProblem(t *testing.T, status int, typ string, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	p := problemOf(t, w)
	require.Equal(t, httpx.ProblemBase+typ, p["type"])
	return p
}

// echo answers with what arrived.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.Query(), "header": r.Header, "body": string(body),
	})
}

type echoed struct {
	Method, Path, Body string
	Query              map[string][]string
	Header             http.Header
}

func echoOf(t *testing.T, w *httptest.ResponseRecorder) (e echoed) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
	return e
}

func joinEcho(s *shop) {
	for _, app := range []string{"catalog", "cart", "orders", "users", "notifications"} {
		s.mesh.Join(app, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("App", app)
			echo(w, r)
		}))
	}
}
