// Package moving exports the data of a shop, imports it into another state store or directory, and continues to buy
// there.
package moving

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/archive"
	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/tests/api"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("skipped: starts real sidecars")
		return
	}
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// start starts a shop. env is added to the environment of its apps.
func start(t *testing.T, o config.Options, env map[string]string) *launch.Shop {
	t.Helper()
	o.Env = maps.Clone(o.Env)
	maps.Copy(o.Env, env)
	s, err := launch.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if s.State().Status != rundir.Stopped {
			_ = s.Stop(context.Background())
		}
	})
	return s
}

// archiveClient returns the client that exports and imports the data of a shop.
func archiveClient(s *launch.Shop) archive.Client {
	signIn := func(ctx context.Context) (string, error) {
		session, err := api.New(s.GatewayURL()).Login(ctx, api.AdminEmail, api.AdminPassword)
		return session.AccessToken, err
	}
	return archive.Client{Gateway: s.GatewayURL(), Sidecar: s.SidecarHTTP, Token: s.SidecarToken, SignIn: signIn}
}

// exportAndImport exports the data of a shop, stops it, and starts a shop with that data and the options to.
func exportAndImport(t *testing.T, from *launch.Shop, to config.Options) *launch.Shop {
	t.Helper()
	ctx, file := t.Context(), filepath.Join(t.TempDir(), "shop.ndjson.gz")
	prints, err := secrets.Fingerprints(from.RunDir())
	require.NoError(t, err)
	exported, err := archive.Export(ctx, archiveClient(from), file, archive.ExportOptions{
		State: "some store", Secrets: prints, StayReadOnly: true, Log: t.Output(),
	})
	require.NoError(t, err)
	requireReadOnly(t, from)
	require.NoError(t, from.Stop(ctx))

	empty := start(t, to, archive.ImportEnv)
	require.NoError(t, archive.Import(ctx, archiveClient(empty), file))
	require.NoError(t, archive.Import(ctx, archiveClient(empty), file), "an interrupted import can be repeated")
	require.NoError(t, empty.Stop(ctx))

	imported := start(t, to, map[string]string{"REBUILD": "on"})
	summary, err := archiveClient(imported).Summarise(ctx)
	require.NoError(t, err)
	require.Empty(t, summary.Differences(exported.Summary))
	return imported
}

// requireReadOnly requires that the shop can be read but not changed.
func requireReadOnly(t *testing.T, s *launch.Shop) {
	t.Helper()
	c := api.New(s.GatewayURL())
	_, err := c.Products(t.Context(), nil)
	require.NoError(t, err)
	_, err = c.NewCart(t.Context())
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 503, p.Status)
	require.Equal(t, "read-only", p.Name())
	require.NotEmpty(t, p.Header.Get("Retry-After"))
}

// options returns the options of a shop in dir, on free ports.
func options(t *testing.T, dir, state string, env map[string]string) config.Options {
	all := map[string]string{"RATE_LIMIT": "off"}
	maps.Copy(all, env)
	return config.Options{RunDir: dir, State: state, FreePorts: true, Env: all, Log: t.Output()}
}
