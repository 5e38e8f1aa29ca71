package runfile

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/ports"
	"haberdash/internal/roster"
)

// defaults returns complete options of a shop with all apps, and the run file.
func defaults(t *testing.T, o config.Options) (config.Options, File) {
	t.Helper()
	o.Watch = true
	o, err := o.Complete()
	require.NoError(t, err)
	f, err := Read(Source(o.Root))
	require.NoError(t, err)
	return o, f
}

// withoutSettings removes from the environment what the run file would take from it.
func withoutSettings(t *testing.T) {
	for _, v := range []string{
		"LOG_LEVEL", "RATE_LIMIT", "DEMO_CATALOGUE", "ADMIN_EMAIL", "ADMIN_PASSWORD", "OTEL_SERVICE_NAME", "SHOP_URL",
	} {
		if old, ok := os.LookupEnv(v); ok {
			os.Unsetenv(v)
			t.Cleanup(func() { os.Setenv(v, old) })
		}
	}
}

func TestRenderedDefaultsEqualTheFileOfTheCheckout(t *testing.T) {
	withoutSettings(t)
	o, f := defaults(t, config.Options{})
	got := f.Render(o)

	want := f
	base := filepath.Join(o.Root, "dapr")
	want.Common.ConfigFile = filepath.Join(base, f.Common.ConfigFile)
	want.Common.Resources = nil
	for _, r := range []string{
		"resources", "../components/state/sqlite", "../components/pubsub/embedded", "../components/mail/files",
		"../components/secrets/env",
	} {
		want.Common.Resources = append(want.Common.Resources, filepath.Join(base, r))
	}
	want.Common.PlacementHost, want.Common.SchedulerHost = "127.0.0.1:23100", "127.0.0.1:23104"
	want.Apps = slices.Clone(f.Apps)
	for i := range want.Apps {
		want.Apps[i].Dir = filepath.Join(base, f.Apps[i].Dir)
		want.Apps[i].ConfigFile = filepath.Join(want.Apps[i].Dir, "config", f.Apps[i].AppID+".yaml")
		want.Apps[i].Ready = "/readyz"
	}
	require.Equal(t, want, got)

	for _, path := range append(got.Common.Resources, got.Common.ConfigFile) {
		_, err := os.Stat(path)
		require.NoError(t, err)
	}
}

// By hand, `dapr run` takes the file as it is, with a Dapr that `dapr init` has installed: with its addresses of the
// control plane, its Redis, and mDNS.
func TestFileOfTheCheckoutIsForAnInstalledDapr(t *testing.T) {
	o, f := defaults(t, config.Options{})
	require.Empty(t, f.Common.PlacementHost)
	require.Empty(t, f.Common.SchedulerHost)
	base := filepath.Join(o.Root, "dapr")
	var kinds []string
	for _, r := range f.Common.Resources {
		require.DirExists(t, filepath.Join(base, r))
		kinds = append(kinds, r)
	}
	require.Subset(t, kinds, []string{"../components/state/redis", "../components/pubsub/redis"})
	for _, a := range f.Apps {
		got, err := readConfiguration(filepath.Join(base, a.Dir, a.ConfigFile))
		require.NoError(t, err)
		require.NotContains(t, got.Spec, "nameResolution")
		rules, err := readConfiguration(accessPath(o.Root, a.AppID))
		require.NoError(t, err)
		require.Equal(t, rules.Spec["secrets"], got.Spec["secrets"])
		require.NotContains(t, got.Spec, "accessControl")
	}
}

func TestRenderAppliesPortsChoicesAndEnvironment(t *testing.T) {
	t.Setenv("RATE_LIMIT", "off")
	t.Setenv("NOT_IN_THE_FILE", "x")
	o, f := defaults(t, config.Options{
		RunDir: t.TempDir(), PortBase: 31000, GatewayPort: 9999, Env: map[string]string{"EXTRA": "1"},
	})
	o.State = "redis"
	got := f.Render(o)
	require.Contains(t, got.Common.Resources, filepath.Join(o.Root, "components", "state", "redis"))
	require.NotContains(t, got.Common.Resources, filepath.Join(o.Root, "components", "state", "sqlite"))
	require.Equal(t, "127.0.0.1:31000", got.Common.PlacementHost)
	require.Equal(t, "127.0.0.1:31004", got.Common.SchedulerHost)
	for i, a := range got.Apps {
		require.Equal(t, o.RunDir, a.Dir)
		require.Equal(t, f.Apps[i].HTTPPort-ports.DefaultBase+31000, a.HTTPPort)
		require.Equal(t, "1", a.Env["EXTRA"])
		require.NotContains(t, a.Env, "NOT_IN_THE_FILE")
		if a.AppID == "gateway" {
			require.Equal(t, 9999, a.Port)
			require.Equal(t, "off", a.Env["RATE_LIMIT"])
		}
		if a.AppID == "notifications" {
			require.Equal(t, "http://localhost:9999", a.Env["SHOP_URL"], "links in mails lead to this shop")
		}
	}
	require.NotContains(t, f.Apps[0].Env, "EXTRA", "Render does not change the file that it renders")
}

// The sidecar, its ports and its access rules stay those of the app that is replaced, and so do the app's variables.
func TestReplacedAppKeepsItsSidecarAndSettings(t *testing.T) {
	withoutSettings(t)
	t.Setenv("GREETING", "bonjour")
	t.Setenv("OTHER", "x")
	dir := t.TempDir()
	app := appfile.App{
		Replaces: "notifications", ID: "notifications", Dir: dir, Start: []string{"echo", "it's"}, Ready: "/ready",
		Health: "/health", Settings: []string{"GREETING", "UNSET"},
		Env: map[string]string{"COLOUR": "red", "MAIL_FROM": "me"},
	}
	o, f := defaults(t, config.Options{
		RunDir: t.TempDir(), Secure: true, Replacements: []appfile.App{app}, Env: map[string]string{"EXTRA": "1"},
	})
	before, _ := defaults(t, config.Options{RunDir: o.RunDir, Secure: true, Env: o.Env})
	was, is := f.Render(before), f.Render(o)
	require.Equal(t, was.Common, is.Common)
	for i, a := range is.Apps {
		if a.AppID != "notifications" {
			require.Equal(t, was.Apps[i], a)
			continue
		}
		want := was.Apps[i]
		want.Command, want.Folder, want.Ready = []string{filepath.Join(o.RunDir, "joined", "notifications.sh")}, dir, "/ready"
		want.Rest = map[string]any{"appHealthCheckPath": "/health"}
		want.Env = maps.Clone(want.Env)
		maps.Copy(want.Env, map[string]string{"GREETING": "bonjour", "COLOUR": "red", "MAIL_FROM": "me"})
		require.Equal(t, want, a)
		require.Equal(t, "http://localhost:8080", a.Env["SHOP_URL"])
		require.Equal(t, "/health", is.HealthPath(a))
		require.Equal(t, "/healthz", was.HealthPath(was.Apps[i]))
	}
	require.NoError(t, WriteJoined(o))
	written, err := os.ReadDir(o.JoinedDir())
	require.NoError(t, err)
	require.Len(t, written, 1, "only the script")
	out, err := exec.Command(filepath.Join(o.JoinedDir(), "notifications.sh")).Output()
	require.NoError(t, err)
	require.Equal(t, "it's\n", string(out))

	require.NoError(t, is.WriteConfigurations(o.Root, o.RunDir, Configuration{Secure: true}))
	got, err := readConfiguration(configPath(o.RunDir, "notifications"))
	require.NoError(t, err)
	rules, err := readConfiguration(accessPath(o.Root, "notifications"))
	require.NoError(t, err)
	require.Equal(t, rules.Spec["accessControl"], got.Spec["accessControl"])

	var tapped []string
	is.Tap(func(app string, port, behind int) {
		require.Equal(t, port+ports.Behind, behind)
		tapped = append(tapped, app)
	})
	require.Contains(t, tapped, "notifications")
	app.Port = 9000
	o.Replacements = []appfile.App{app}
	is = f.Render(o)
	require.True(t, slices.ContainsFunc(is.Ports(o), func(p ports.Used) bool {
		return p.Port == 9000 && p.For == "notifications" && p.Variable == "port in its app.yaml"
	}))
}

func TestShopURLOfTheEnvironmentIsKept(t *testing.T) {
	t.Setenv("SHOP_URL", "https://shop.test")
	o, f := defaults(t, config.Options{GatewayPort: 9999})
	apps := f.Render(o).Apps
	i := slices.IndexFunc(apps, func(a App) bool { return a.AppID == "notifications" })
	require.Equal(t, "https://shop.test", apps[i].Env["SHOP_URL"])
}

func TestNoTwoListenersShareAPort(t *testing.T) {
	o, f := defaults(t, config.Options{})
	seen := map[int]string{}
	for _, p := range f.Render(o).Ports(o) {
		require.Empty(t, seen[p.Port], "%s and %s", p.For, seen[p.Port])
		seen[p.Port] = p.For
		if p.Port != ports.DefaultGateway {
			require.GreaterOrEqual(t, p.Port, ports.DefaultBase)
			require.Less(t, p.Port, ports.DefaultBase+ports.BlockSize)
		}
	}
}

// The configurations lose nothing of the common one, and no app is left out: a sidecar without rules allows every call,
// and gives its app every secret.
func TestEachSidecarGetsTheAccessRulesOfItsApp(t *testing.T) {
	o, f := defaults(t, config.Options{RunDir: t.TempDir(), Secure: true})
	f = f.Render(o)
	require.NoError(t, f.WriteConfigurations(o.Root, o.RunDir, Configuration{Secure: true}))
	common, err := readConfiguration(f.Common.ConfigFile)
	require.NoError(t, err)
	for _, a := range f.Apps {
		got, err := readConfiguration(a.ConfigFile)
		require.NoError(t, err)
		rules, err := readConfiguration(accessPath(o.Root, a.AppID))
		require.NoError(t, err)
		require.Equal(t, "deny", got.Spec["accessControl"].(map[string]any)["defaultAction"])
		require.Equal(t, rules.Spec["accessControl"], got.Spec["accessControl"])
		require.Equal(t, rules.Spec["secrets"], got.Spec["secrets"])
		delete(got.Spec, "accessControl")
		delete(got.Spec, "secrets")
		require.Equal(t, common, got)
	}
	require.NoError(t, f.WriteConfigurations(o.Root, o.RunDir, Configuration{}))
	for _, a := range f.Apps {
		got, err := readConfiguration(a.ConfigFile)
		require.NoError(t, err)
		require.NotContains(t, got.Spec, "accessControl", "without mutual TLS a sidecar does not know who calls")
		require.Contains(t, got.Spec, "secrets")
	}

	require.NoError(t, f.WriteConfigurations(o.Root, o.RunDir, Configuration{Traced: true}))
	for _, a := range f.Apps {
		got, err := readConfiguration(a.ConfigFile)
		require.NoError(t, err)
		require.Equal(t, map[string]any{"samplingRate": samplingRate}, got.Spec["tracing"])
	}

	f.Apps = append(f.Apps, App{AppID: "newcomer"})
	require.ErrorContains(t, f.WriteConfigurations(o.Root, o.RunDir, Configuration{Secure: true}), "newcomer.yaml")
}

func TestOptionalAppsRunIfWanted(t *testing.T) {
	o, f := defaults(t, config.Options{})
	with := f.Render(o).Apps
	o.Watch = false
	without := f.Render(o).Apps
	require.Len(t, with, len(roster.Apps()))
	require.Len(t, without, len(roster.Standard()))
	require.Less(t, len(without), len(with))
	require.Len(t, f.Apps, len(roster.Apps()), "Render does not change the file that it renders")
}
