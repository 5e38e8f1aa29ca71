package e2e

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/standalone"
)

// secure says that a test is of a shop whose sidecars know each other: `make test` runs all tests on such a one too,
// and on a cluster each is.
func secure(t *testing.T) {
	t.Helper()
	if s, local := theShop.(here); local {
		if os.Getenv("SECURE") == "" {
			t.Skip("of the run with SECURE=1: without it a sidecar cannot tell who calls")
		}
		require.NotEmpty(t, s.SidecarEnv(), "SECURE=1 has started a shop without certificates")
	}
	t.Parallel()
}

// invoke has the sidecar at the address invoke an operation.
func invoke(t *testing.T, sidecar, method, app, path string) (int, string) {
	t.Helper()
	return call(t, method, sidecar+path, "dapr-app-id", app)
}

// denied demands that the callee's sidecar refuses, and not the app itself.
func denied(t *testing.T, sidecar, method, app, path string) {
	t.Helper()
	status, body := invoke(t, sidecar, method, app, path)
	require.Equal(t, http.StatusForbidden, status, "%s of %s: %.300s", path, app, body)
	require.Contains(t, body, "access control policy has denied access", "%s of %s", path, app)
}

func TestSidecarsRefuseWhatTheRulesDoNotName(t *testing.T) {
	secure(t)
	for _, c := range []struct{ caller, method, callee, path string }{
		{"gateway", "GET", "catalog", "/api/v1/products"},
		{"cart", "GET", "orders", "/feed/orders"},
		{"catalog", "GET", "users", "/.well-known/jwks.json"},
	} {
		status, body := invoke(t, theShop.SidecarHTTP(c.caller), c.method, c.callee, c.path)
		require.Equal(t, http.StatusOK, status, "%+v: %.300s", c, body)
	}
	for _, callee := range theShop.Apps() {
		for _, caller := range theShop.Apps() {
			if caller != callee {
				denied(t, theShop.SidecarHTTP(caller), http.MethodGet, callee, "/internal/export")
				denied(t, theShop.SidecarHTTP(caller), http.MethodPost, callee, "/events/orders")
				denied(t, theShop.SidecarHTTP(caller), http.MethodGet, callee, "/")
			}
		}
	}
	for _, c := range []struct{ caller, method, callee, path string }{
		{"cart", "GET", "orders", "/internal/orders/x/decision"}, // only catalog asks
		{"catalog", "GET", "users", "/internal/mails/x"},         // only notifications does
		{"cart", "POST", "users", "/feed/users"},                 // reads only
		{"cart", "PUT", "catalog", "/internal/reservations/x"},
		{"users", "GET", "orders", "/feed/orders"},
		{"gateway", "GET", "orders", "/feed/orders"},
		// Ways round what the gateway may call.
		{"gateway", "POST", "catalog", "/api/v1/products/../../../internal/variants"},
		{"gateway", "POST", "catalog", "/api/v1/products/%2e%2e/%2e%2e/%2e%2e/internal/variants"},
		{"gateway", "POST", "catalog", "//internal//variants"},
		{"gateway", "POST", "catalog", "/INTERNAL/variants"},
		{"gateway", "POST", "catalog", "/api/v1/productsX"},
	} {
		denied(t, theShop.SidecarHTTP(c.caller), c.method, c.callee, c.path)
	}
}

// A stranger is an app of which no rules know. Sentry certifies it here, as it does every process of this machine, but
// under its own name; without a certificate it does not even come to be refused.
func TestSidecarsRefuseStrangers(t *testing.T) {
	secure(t)
	local := theShop.(here)
	start := func(name string, env map[string]string) string {
		s, err := standalone.StartSidecar(t.Context(), standalone.SidecarOptions{RunDir: local.RunDir(), AppID: name, Env: env})
		require.NoError(t, err)
		t.Cleanup(s.Stop)
		return s.HTTP()
	}
	stranger, nobody := start("stranger", local.SidecarEnv()), start("nobody", nil)
	for app, path := range map[string]string{
		"catalog": "/api/v1/products", "cart": "/internal/quotes", "orders": "/feed/orders", "users": "/.well-known/jwks.json",
		"notifications": "/internal/consumers", "gateway": "/healthz",
	} {
		denied(t, stranger, http.MethodGet, app, path)
	}
	status, body := invoke(t, nobody, http.MethodGet, "orders", "/feed/orders")
	require.Equal(t, http.StatusInternalServerError, status, "%.300s", body)
	require.Contains(t, body, "connection error", "it does not speak TLS")
}
