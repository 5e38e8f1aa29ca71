package launch

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecureIsAskedForByAVariable(t *testing.T) {
	for value, want := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv("SECURE", value)
		o, err := OptionsFromEnv()
		require.NoError(t, err)
		require.Equal(t, want, o.Secure, value)
	}
	t.Setenv("SECURE", "yes")
	_, err := OptionsFromEnv()
	require.ErrorContains(t, err, "SECURE=yes")

	_, err = Options{Secure: true, System: true}.complete()
	require.ErrorContains(t, err, "DAPR=system")
}

// Of the common configuration nothing is lost, and no app is forgotten: a sidecar without rules lets everyone in.
func TestEachSidecarGetsItsAppsRules(t *testing.T) {
	o, f := defaults(t, Options{RunDir: t.TempDir(), Secure: true})
	s := &Shop{opts: o, file: f.render(o)}
	require.NoError(t, s.writeConfigurations())
	common, err := readConfiguration(s.file.Common.ConfigFile)
	require.NoError(t, err)
	for _, a := range s.file.Apps {
		got, err := readConfiguration(a.ConfigFile)
		require.NoError(t, err)
		rules, err := readConfiguration(accessPath(o.Root, a.AppID))
		require.NoError(t, err)
		require.Equal(t, "deny", got.Spec["accessControl"].(map[string]any)["defaultAction"])
		require.Equal(t, rules.Spec["accessControl"], got.Spec["accessControl"])
		delete(got.Spec, "accessControl")
		require.Equal(t, common, got)
	}

	s.file.Apps = append(s.file.Apps, runApp{AppID: "newcomer"})
	require.ErrorContains(t, s.writeConfigurations(), "newcomer.yaml")
}

func TestTheAuthoritysKeyIsTheOwners(t *testing.T) {
	o, f := defaults(t, Options{RunDir: t.TempDir(), Secure: true})
	s := &Shop{opts: o, file: f.render(o)}
	require.NoError(t, s.writeConfigurations())
	info, err := os.Stat(issuerDir(o.RunDir))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// Who was in a secure shop's environment and starts a plain one must not get sidecars that nobody can talk to.
func TestAPlainShopForgetsWhereSentryWas(t *testing.T) {
	t.Setenv(sentryVariable, "127.0.0.1:1")
	t.Setenv(anchorsVariable, "nowhere")
	for _, secure := range []bool{false, true} {
		o, _ := defaults(t, Options{RunDir: t.TempDir(), Secure: secure})
		s := &Shop{opts: o}
		env := s.inherited()
		require.NotContains(t, env, sentryVariable+"=127.0.0.1:1")
		require.NotContains(t, env, anchorsVariable+"=nowhere")
		vars := s.environment(nil)
		if secure {
			require.Equal(t, "127.0.0.1:23190", vars[sentryVariable])
			require.Equal(t, filepath.Join(o.RunDir, "sentry", "ca.crt"), vars[anchorsVariable])
		} else {
			require.NotContains(t, vars, sentryVariable)
		}
	}
}

func TestTimersStayWhereTheSchedulerLooks(t *testing.T) {
	data := t.TempDir()
	require.NoError(t, keepTimers(data), "a shop that has none yet")
	require.NoError(t, os.Mkdir(filepath.Join(data, "default-scheduler"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(data, "default-scheduler", "wal"), []byte("x"), 0o600))
	require.NoError(t, keepTimers(data))
	require.FileExists(t, filepath.Join(data, "default-"+schedulerID, "wal"))
	require.NoError(t, keepTimers(data), "once more changes nothing")
	require.FileExists(t, filepath.Join(data, "default-"+schedulerID, "wal"))
}

func TestASecureShopOutlivesItsProcessesAndItself(t *testing.T) {
	dir := t.TempDir()
	s := startShop(t, Options{RunDir: dir, Secure: true})
	knownAndRefused := func(s *Shop) {
		require.Equal(t, "ok\n", get(t, s.SidecarHTTP("gateway")+"/v1.0/invoke/orders/method/readyz"))
		code, said := post(s.SidecarHTTP("gateway")+"/v1.0/invoke/orders/method/readyz", "{}")
		require.Equal(t, http.StatusForbidden, code, said)
		code, said = post(s.SidecarHTTP("orders")+"/v1.0/invoke/gateway/method/readyz", "{}")
		require.Equal(t, http.StatusForbidden, code, said)
	}
	knownAndRefused(s)
	for _, name := range []string{"sentry", "gateway-daprd", "orders-daprd", "scheduler", "placement"} {
		require.NoError(t, s.Kill(name))
		if name == "sentry" {
			knownAndRefused(s) // certificates that were given stay good
		}
		require.NoError(t, s.Restart(name))
		require.NoError(t, s.Ready(t.Context()), name)
		knownAndRefused(s)
	}
	code, said := post(s.SidecarHTTP("orders")+"/v1.0/state/state", `[{"key":"k","value":"kept"}]`)
	require.Equal(t, http.StatusNoContent, code, said)
	authority, err := os.ReadFile(s.opts.trust().anchors)
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))

	for _, secure := range []bool{false, true} {
		again, err := Start(t.Context(), Options{Root: s.opts.Root, RunDir: dir, FreePorts: true, Secure: secure})
		require.NoError(t, err)
		require.Equal(t, `"kept"`, get(t, again.SidecarHTTP("orders")+"/v1.0/state/state/k"))
		if secure {
			knownAndRefused(again)
		}
		require.NoError(t, again.Stop(context.Background()))
	}
	same, err := os.ReadFile(s.opts.trust().anchors)
	require.NoError(t, err)
	require.Equal(t, authority, same)
}
