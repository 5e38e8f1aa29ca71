package e2e

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// rawCall sends a request with the URL unchanged, also if its path has dots. It returns the status and the body.
func rawCall(t *testing.T, method, url string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// An app refuses requests to its own port without the token that its sidecar sends. Only the gateway is public.
func TestAppsRefuseCallsWithoutTheSidecarsToken(t *testing.T) {
	t.Parallel()
	for _, app := range sharedShop.Apps() {
		if app == "gateway" {
			continue
		}
		for _, path := range []string{
			"/", "/openapi.json", "/dapr/config", "/feed/orders", "/internal/export", "/internal/consumers", "/nothing/there",
			"/api/v1/products", "/api/v1/orders", "/api/v1/users", "/.well-known/jwks.json",
		} {
			status, body := rawCall(t, http.MethodGet, sharedShop.AppURL(app)+path)
			require.Equal(t, http.StatusUnauthorized, status, "%s%s: %.300s", app, path, body)
		}
		for _, path := range []string{
			"/events/orders", "/events/users", "/events/" + app + "-dead", "/internal/audit", "/internal/quotes",
		} {
			status, body := rawCall(t, http.MethodPost, sharedShop.AppURL(app)+path,
				"dapr-api-token", "a guess", "Dapr-Caller-App-Id", "gateway")
			require.Equal(t, http.StatusUnauthorized, status, "%s%s: %.300s", app, path, body)
		}
	}
}

// An operator reads the profiles of an app at its own port. Other apps reach it only through the sidecars, and get
// none.
func TestNoAppReadsTheProfilesOfAnother(t *testing.T) {
	t.Parallel()
	const path = "/debug/pprof/heap"
	status, body := rawCall(t, http.MethodGet, sharedShop.AppURL("orders")+path)
	require.Equal(t, http.StatusOK, status)
	require.NotEmpty(t, body)
	status, _ = rawCall(t, http.MethodGet, sharedShop.SidecarHTTP("gateway")+path,
		"dapr-app-id", "orders", "dapr-api-token", sharedShop.SidecarToken("gateway"))
	require.Contains(t, []int{http.StatusNotFound, http.StatusForbidden}, status) // forbidden by dapr/secure
	status, _ = rawCall(t, http.MethodGet, sharedShop.SidecarHTTP("gateway")+"/healthz",
		"dapr-app-id", "orders", "dapr-api-token", sharedShop.SidecarToken("gateway"))
	require.Contains(t, []int{http.StatusOK, http.StatusForbidden}, status, "the call arrives")
	status, _ = rawCall(t, http.MethodGet, sharedShop.GatewayURL()+path)
	require.Equal(t, http.StatusNotFound, status, "the public port")
}
