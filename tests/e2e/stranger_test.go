package e2e

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/tests/api"
)

// These tests play a stranger who may open connections to the ports of a sidecar, but may not read the files of the
// shop, and an app that wants the secrets of another.

// sidecarOf returns a client of an app's sidecar, with a token.
func sidecarOf(t *testing.T, s localShop, app, token string) *daprd.Client {
	t.Helper()
	port := func(address string) int {
		_, text, err := net.SplitHostPort(address)
		require.NoError(t, err)
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		return n
	}
	u, err := url.Parse(s.SidecarHTTP(app))
	require.NoError(t, err)
	c, err := daprd.New(daprd.Options{HTTPPort: port(u.Host), GRPCPort: port(s.SidecarGRPC(app)), APIToken: token})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestSidecarsRefuseStrangers(t *testing.T) {
	t.Parallel()
	s, tokens := sharedShop, map[string]string{"guess": "a guess"}
	onThisMachine, local := s.(localShop)
	if local { // on a cluster the tokens stay in the pods, and the proxy of the test adds one where none is sent
		tokens["nobody"] = ""
		for _, app := range s.Apps() {
			tokens[app] = s.SidecarToken(app)
			require.NotEmpty(t, tokens[app])
		}
	}
	for _, app := range s.Apps() {
		status, _ := rawCall(t, http.MethodGet, s.SidecarHTTP(app)+"/v1.0/healthz")
		require.Equal(t, http.StatusNoContent, status, "health needs no token")
		for whose, token := range tokens {
			if whose == app {
				continue
			}
			for path, method := range map[string]string{
				"/v1.0/metadata": http.MethodGet, "/v1.0/secrets/secrets/KEY_ENCRYPTION_KEY": http.MethodGet,
				"/v1.0/secrets/secrets/bulk": http.MethodGet, "/v1.0/state/state/signing-keys": http.MethodGet,
				"/v1.0/state/state": http.MethodPost, "/v1.0/publish/pubsub/orders": http.MethodPost,
				"/v1.0/bindings/mail": http.MethodPost, "/v1.0/shutdown": http.MethodPost,
				"/v1.0/invoke/orders/method/internal/export": http.MethodGet,
			} {
				status, body := rawCall(t, method, s.SidecarHTTP(app)+path, "dapr-api-token", token)
				require.Equal(t, http.StatusUnauthorized, status, "%s%s with the token of %q: %.200s", app, path, whose, body)
			}
			status, body := rawCall(t, http.MethodGet, s.SidecarHTTP(app)+"/feed/orders",
				"dapr-app-id", "orders", "dapr-api-token", token)
			require.Equal(t, http.StatusUnauthorized, status, "%.200s", body)
			if !local {
				continue // the proxy has no gRPC
			}
			c := sidecarOf(t, onThisMachine, app, token)
			_, err := c.Secret(t.Context(), "KEY_ENCRYPTION_KEY")
			requireCode(t, codes.Unauthenticated, err)
			requireCode(t, codes.Unauthenticated, c.Publish(t.Context(), "orders", []sidecar.Message{{Data: []byte("{}")}}))
		}
	}
}

// requireCode requires that an error has a code of gRPC.
func requireCode(t *testing.T, want codes.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, status.Code(err), "%v", err)
}

// No app can publish the events of another: a forged order.confirmed would make notifications send its text.
func TestAppsCannotPublishEventsOfOthers(t *testing.T) {
	t.Parallel()
	const forged = `{"id":"orders/orders/1/0","type":"order.confirmed","source":"orders","data":{"orderId":"forged"}}`
	for _, app := range sharedShop.Apps() {
		client, known := sidecarClient(sharedShop, app), roster.Get(app)
		for _, topic := range roster.Topics() {
			if slices.Contains(known.Publishes(), topic) {
				continue
			}
			a, err := client.Do(t.Context(), api.Request{
				Method: http.MethodPost, Path: "/v1.0/publish/pubsub/" + topic, Body: forged,
			})
			require.NoError(t, err)
			want := http.StatusForbidden
			if !known.UsesComponent("pubsub") {
				want = http.StatusNotFound // its sidecar has no broker
			}
			require.Equal(t, want, a.Status, "%s to %s: %s", app, topic, a.Body)
		}
	}
}

// A sidecar gives its app the secrets that the app reads, and no others: neither those of another app, nor those of its
// own components, nor the tokens.
func TestSidecarsGiveOnlyTheSecretsOfTheirApp(t *testing.T) {
	t.Parallel()
	s := sharedShop
	onThisMachine, local := s.(localShop)
	read := map[string]string{"orders": "ID_KEY", "users": "KEY_ENCRYPTION_KEY"}
	for _, app := range s.Apps() {
		client := sidecarClient(s, app)
		for _, name := range []string{
			"ID_KEY", "KEY_ENCRYPTION_KEY", "KAFKA_BROKERS", "REDIS_PASSWORD", "POSTGRES_CONNECTION", "PATH", "HOME",
			"DAPR_API_TOKEN", "APP_API_TOKEN",
		} {
			status, body := rawCall(t, http.MethodGet, s.SidecarHTTP(app)+"/v1.0/secrets/secrets/"+name,
				"dapr-api-token", s.SidecarToken(app))
			allowed := read[app] == name
			if allowed {
				require.Equal(t, http.StatusOK, status)
				require.Contains(t, body, name)
			} else {
				require.Equal(t, http.StatusForbidden, status, "%s of %s: %s", name, app, body)
			}
			if !local {
				continue // the proxy of the test has no gRPC
			}
			value, err := sidecarOf(t, onThisMachine, app, s.SidecarToken(app)).Secret(t.Context(), name)
			if allowed {
				require.NoError(t, err)
				require.NotEmpty(t, value)
			} else {
				requireCode(t, codes.PermissionDenied, err)
			}
		}
		if !local { // Dapr's own store of a cluster would give the Secrets of the namespace; the pods do without it
			_, body := rawCall(t, http.MethodGet, s.SidecarHTTP(app)+"/v1.0/secrets/kubernetes/keys")
			require.Contains(t, body, "ERR_SECRET_STORE_NOT_FOUND", app)
		}
		var all map[string]map[string]string
		a, err := client.Do(t.Context(), api.Request{Method: http.MethodGet, Path: "/v1.0/secrets/secrets/bulk"})
		require.NoError(t, err)
		require.NoError(t, a.Decode(&all))
		for name := range all {
			require.Equal(t, read[app], name, app)
		}
	}
}
