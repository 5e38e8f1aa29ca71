package moving

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/infra"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// This test needs real servers: see INFRA in the Makefile.
func TestServersDataIsExportedFromSQLiteToPostgresToRedis(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	servers, err := infra.Start(t.Context(), infra.Options{
		Dir: filepath.Join(dir, "infra"), Servers: []string{"postgres", "redis"}, Log: t.Output(),
	})
	require.NoError(t, err)
	t.Cleanup(servers.Stop)
	s := start(t, options(t, dir, "sqlite", nil), nil)
	f := newFixture(t, s)
	for _, state := range []string{"postgres", "redis"} {
		before := f.responses()
		f.useShop(exportAndImport(t, s, options(t, dir, state, servers.Vars())))
		require.Equal(t, before, f.responses(), state)
		f.continueOrders()
		s = f.shop
	}
}

// The new directory has only the secrets of the old one, as on another machine.
func TestDataIsExportedAndImportedIntoAnotherDirectory(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	s := start(t, options(t, from, "sqlite", nil), nil)
	f := newFixture(t, s)
	before := f.responses()
	secrets, err := os.ReadFile(filepath.Join(from, "secrets.env"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(to, "secrets.env"), secrets, 0o600))
	f.useShop(exportAndImport(t, s, options(t, to, "sqlite", nil)))
	require.Equal(t, before, f.responses())
	f.continueOrders()
	requireExportIsForbiddenToOtherApps(t, f.shop)
}

// requireExportIsForbiddenToOtherApps calls the export of each app through the gateway's sidecar, with a header that
// claims to be the app itself.
func requireExportIsForbiddenToOtherApps(t *testing.T, s *launch.Shop) {
	for _, app := range roster.Exported() {
		a, err := api.New(s.SidecarHTTP("gateway")).Do(t.Context(), api.Request{
			Method: http.MethodGet, Path: "/v1.0/invoke/" + app + "/method/internal/export",
			Header: map[string]string{"Dapr-Caller-App-Id": app, "dapr-api-token": s.SidecarToken("gateway")},
		})
		require.NoError(t, err)
		require.Equal(t, http.StatusForbidden, a.Status, "%s: %.200s", app, a.Body)
	}
}
