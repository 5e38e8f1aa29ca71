package launch

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/controlplane"
	"haberdash/dapr/launch/runfile"
)

// completed returns complete options and the run file that belongs to them.
func completed(t *testing.T, o config.Options) (config.Options, runfile.File) {
	t.Helper()
	o, err := o.Complete()
	require.NoError(t, err)
	f, err := runfile.Read(runfile.Source(o.Root))
	require.NoError(t, err)
	return o, f.Render(o)
}

func TestKeyOfTheAuthorityIsReadableByTheOwnerOnly(t *testing.T) {
	o, f := completed(t, config.Options{RunDir: t.TempDir(), Secure: true})
	s := &Shop{opts: o, file: f}
	require.NoError(t, s.prepare())
	info, err := os.Stat(issuerDir(o))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// In the environment of a secure shop, a plain shop starts. Its sidecars must not use the certificates of the other.
func TestPlainShopIgnoresSentryInTheEnvironment(t *testing.T) {
	t.Setenv(controlplane.SentryVariable, "127.0.0.1:1")
	t.Setenv(controlplane.AnchorsVariable, "nowhere")
	for _, secure := range []bool{false, true} {
		o, f := completed(t, config.Options{RunDir: t.TempDir(), Secure: secure})
		s := &Shop{opts: o, file: f}
		require.NoError(t, s.prepare())
		require.False(t, slices.ContainsFunc(s.env, func(kv string) bool {
			return strings.HasPrefix(kv, controlplane.SentryVariable+"=")
		}))
		text, err := os.ReadFile(s.sidecarFile("orders"))
		require.NoError(t, err)
		require.NotContains(t, string(text), "'127.0.0.1:1'")
		require.NotContains(t, string(text), "nowhere")
		sentry := controlplane.SentryVariable + "='127.0.0.1:23190'\n"
		anchors := controlplane.AnchorsVariable + "='" + filepath.Join(o.RunDir, "sentry", "ca.crt") + "'\n"
		require.Equal(t, secure, strings.Contains(string(text), sentry))
		require.Equal(t, secure, strings.Contains(string(text), anchors))
	}
}

func TestTimersAreKeptWhenTheSchedulerGetsItsID(t *testing.T) {
	data := t.TempDir()
	require.NoError(t, renameTimers(data), "without timers")
	require.NoError(t, os.Mkdir(filepath.Join(data, "default-scheduler"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "default-scheduler", "wal"), []byte("x"), 0o600))
	require.NoError(t, renameTimers(data))
	require.FileExists(t, filepath.Join(data, "default-"+controlplane.SchedulerID, "wal"))
	require.NoError(t, renameTimers(data), "a second time changes nothing")
	require.FileExists(t, filepath.Join(data, "default-"+controlplane.SchedulerID, "wal"))
}

func TestSecureShopWorksAfterKillsAndRestarts(t *testing.T) {
	dir := t.TempDir()
	s := startShop(t, config.Options{RunDir: dir, Secure: true})
	checkAccess := func(s *Shop) {
		require.Equal(t, "ok\n", get(t, s, "gateway", "/v1.0/invoke/orders/method/readyz"))
		code, said := post(s, "gateway", "/v1.0/invoke/orders/method/readyz", "{}")
		require.Equal(t, http.StatusForbidden, code, said)
		code, said = post(s, "orders", "/v1.0/invoke/gateway/method/readyz", "{}")
		require.Equal(t, http.StatusForbidden, code, said)
	}
	checkAccess(s)
	for _, name := range []string{"sentry", "gateway-daprd", "orders-daprd", "scheduler", "placement"} {
		require.NoError(t, s.Kill(name))
		if name == "sentry" {
			checkAccess(s) // issued certificates stay valid
		}
		require.NoError(t, s.Restart(name))
		require.NoError(t, s.Ready(t.Context()), name)
		checkAccess(s)
	}
	code, said := post(s, "orders", "/v1.0/state/state", `[{"key":"k","value":"kept"}]`)
	require.Equal(t, http.StatusNoContent, code, said)
	authority, err := os.ReadFile(trust(s.opts).Anchors)
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))

	for _, secure := range []bool{false, true} {
		again, err := Start(t.Context(), config.Options{Root: s.opts.Root, RunDir: dir, FreePorts: true, Secure: secure})
		require.NoError(t, err)
		require.Equal(t, `"kept"`, get(t, again, "orders", "/v1.0/state/state/k"))
		if secure {
			checkAccess(again)
		}
		require.NoError(t, again.Stop(context.Background()))
	}
	same, err := os.ReadFile(trust(s.opts).Anchors)
	require.NoError(t, err)
	require.Equal(t, authority, same)
}
