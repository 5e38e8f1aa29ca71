package e2e

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/standalone"
)

// onlySecure skips a test if the sidecars of the shop do not identify each other with certificates. On a cluster they
// always do; on this machine with SECURE=1, which make test uses in a second run.
func onlySecure(t *testing.T) {
	t.Helper()
	if s, local := sharedShop.(localShop); local {
		if os.Getenv("SECURE") == "" {
			t.Skip("needs SECURE=1: without it a sidecar does not know the caller")
		}
		require.NotEmpty(t, s.SidecarEnv(), "the shop has no certificates despite SECURE=1")
	}
	t.Parallel()
}

// invoke invokes a route of an app through the sidecar at a URL, which may demand a token.
func invoke(t *testing.T, sidecar, token, method, app, path string) (int, string) {
	t.Helper()
	return rawCall(t, method, sidecar+path, "dapr-app-id", app, "dapr-api-token", token)
}

// invokeAs invokes a route of an app as another app does.
func invokeAs(t *testing.T, caller, method, app, path string) (int, string) {
	t.Helper()
	return invoke(t, sharedShop.SidecarHTTP(caller), sharedShop.SidecarToken(caller), method, app, path)
}

// requireDenied requires that the sidecar of the called app denies the request, and not the app itself.
func requireDenied(t *testing.T, sidecar, token, method, app, path string) {
	t.Helper()
	status, body := invoke(t, sidecar, token, method, app, path)
	require.Equal(t, http.StatusForbidden, status, "%s of %s: %.300s", path, app, body)
	require.Contains(t, body, "access control policy has denied access", "%s of %s", path, app)
}

func TestSidecarsRefuseCallsWithoutARule(t *testing.T) {
	onlySecure(t)
	for _, c := range []struct{ caller, method, callee, path string }{
		{"gateway", "GET", "catalog", "/api/v1/products"},
		{"cart", "GET", "orders", "/feed/orders"},
		{"catalog", "GET", "users", "/.well-known/jwks.json"},
	} {
		status, body := invokeAs(t, c.caller, c.method, c.callee, c.path)
		require.Equal(t, http.StatusOK, status, "%+v: %.300s", c, body)
	}
	for _, callee := range sharedShop.Apps() {
		for _, caller := range sharedShop.Apps() {
			if caller != callee {
				sidecar, token := sharedShop.SidecarHTTP(caller), sharedShop.SidecarToken(caller)
				requireDenied(t, sidecar, token, http.MethodGet, callee, "/internal/export")
				requireDenied(t, sidecar, token, http.MethodPost, callee, "/events/orders")
				requireDenied(t, sidecar, token, http.MethodGet, callee, "/")
			}
		}
	}
	for _, c := range []struct{ caller, method, callee, path string }{
		{"cart", "GET", "orders", "/internal/orders/x/decision"}, // only catalog may
		{"catalog", "GET", "users", "/internal/mails/x"},         // only notifications may
		{"cart", "POST", "users", "/feed/users"},                 // only GET is allowed
		{"cart", "PUT", "catalog", "/internal/reservations/x"},
		{"users", "GET", "orders", "/feed/orders"},
		{"gateway", "GET", "orders", "/feed/orders"},
		// Paths that try to circumvent the rules of the gateway.
		{"gateway", "POST", "catalog", "/api/v1/products/../../../internal/variants"},
		{"gateway", "POST", "catalog", "/api/v1/products/%2e%2e/%2e%2e/%2e%2e/internal/variants"},
		{"gateway", "POST", "catalog", "//internal//variants"},
		{"gateway", "POST", "catalog", "/INTERNAL/variants"},
		{"gateway", "POST", "catalog", "/api/v1/productsX"},
	} {
		requireDenied(t, sharedShop.SidecarHTTP(c.caller), sharedShop.SidecarToken(c.caller), c.method, c.callee, c.path)
	}
}

// An app without rules gets a certificate from Sentry, as every process on this machine does, but the sidecars deny its
// requests. Without a certificate it cannot even connect.
func TestSidecarsRefuseUnknownApps(t *testing.T) {
	onlySecure(t)
	local := sharedShop.(localShop)
	start := func(name string, env map[string]string) string {
		s, err := standalone.StartSidecar(t.Context(), standalone.SidecarOptions{
			RunDir: local.RunDir(), AppID: name, Env: env,
		})
		require.NoError(t, err)
		t.Cleanup(s.Stop)
		return s.HTTP()
	}
	unknown, uncertified := start("stranger", local.SidecarEnv()), start("nobody", nil)
	for app, path := range map[string]string{
		"catalog": "/api/v1/products", "cart": "/internal/quotes", "orders": "/feed/orders",
		"users": "/.well-known/jwks.json", "notifications": "/internal/consumers", "gateway": "/healthz",
	} {
		requireDenied(t, unknown, "", http.MethodGet, app, path)
	}
	status, body := invoke(t, uncertified, "", http.MethodGet, "orders", "/feed/orders")
	require.Equal(t, http.StatusInternalServerError, status, "%.300s", body)
	require.Contains(t, body, "connection error", "without a certificate there is no TLS connection")
}
