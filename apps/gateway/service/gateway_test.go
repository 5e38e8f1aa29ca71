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
	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/identity"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/sidecar/metered"
)

// testGateway is a gateway in front of a mesh of fake services.
type testGateway struct {
	http.Handler
	mesh    *memory.Mesh
	server  *httpserver.Server
	private ed25519.PrivateKey // signs access tokens that the gateway accepts
}

// keys are the public keys of access tokens, by id.
type keys map[string]ed25519.PublicKey

func (k keys) Key(_ context.Context, kid string) (ed25519.PublicKey, bool, error) {
	key, ok := k[kid]
	return key, ok, nil
}

func newTestGateway(t testing.TB, config service.Config) *testGateway {
	t.Helper()
	return newTestGatewayWith(t, config, nil)
}

// newTestGatewayWith returns a gateway with a state store, and so with read-only mode, unless state is nil.
func newTestGatewayWith(t testing.TB, config service.Config, state sidecar.State) *testGateway {
	t.Helper()
	return newTestGatewayLogging(t, config, state, zerolog.Nop())
}

// newTestGatewayLogging returns a gateway that logs.
func newTestGatewayLogging(t testing.TB, config service.Config, state sidecar.State, log zerolog.Logger) *testGateway {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	g := &testGateway{mesh: memory.NewMesh(), private: private}
	registry := prometheus.NewRegistry()
	gateway, err := service.New(service.Deps{
		Config: config, Invoker: metered.New(registry).Invoker(g.mesh, roster.IDs()), Log: log, State: state,
		Metrics:  registry,
		Verifier: identity.NewVerifier(keys{"k1": public}, time.Now),
	})
	require.NoError(t, err)
	g.server = httpserver.New(host.PublicServerOptions(
		httpserver.Options{Log: log, Registry: registry}))
	gateway.Mount(g.server, func(context.Context) error { return nil })
	g.Handler = g.server.Router
	return g
}

// token returns an access token of a user that expires within identity.MaxLife.
func (g *testGateway) token(t *testing.T, user string, expires time.Time, roles ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, identity.Claims{
		Roles: roles, RegisteredClaims: identity.Registered(user, expires.Add(-identity.MaxLife), identity.MaxLife),
	})
	token.Header["kid"] = "k1"
	text, err := token.SignedString(g.private)
	require.NoError(t, err)
	return text
}

// staff returns the Authorization header of staff.
func (g *testGateway) staff(t *testing.T) string {
	return "Bearer " + g.token(t, "staff", time.Now().Add(identity.MaxLife), identity.Staff)
}

// ask sends a request to the address for operators.
func (g *testGateway) ask(path string, header ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	g.server.OperationsHandler().ServeHTTP(w, r)
	return w
}

// send sends a request. header is name, value, name, value and so on.
func (g *testGateway) send(method, target, body string, header ...string) *httptest.ResponseRecorder {
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
	g.ServeHTTP(w, r)
	return w
}

// setPath parses a path as a server does, and does not clean it as clients do.
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

// problemOf returns the members of a problem document.
func problemOf(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), w.Body.String())
	var p map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.EqualValues(t, w.Code, p["status"])
	return p
}

// requireProblem checks the status and the problem type of an answer, and returns the problem.
func requireProblem(t *testing.T, status int, typ string, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	p := problemOf(t, w)
	require.Equal(t, httpx.ProblemBase+typ, p["type"])
	return p
}

// echo answers with the request that it received.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.Query(), "header": r.Header,
		"body": string(body),
	})
}

// echoed is an answer of echo.
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

// joinEcho has every app answer with echo, and name itself in the header App.
func joinEcho(g *testGateway) {
	for _, app := range []string{"catalog", "cart", "orders", "users", "notifications"} {
		g.mesh.Join(app, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("App", app)
			echo(w, r)
		}))
	}
}
