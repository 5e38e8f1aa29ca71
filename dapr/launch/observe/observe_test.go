package observe

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/toolchain"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

func TestTargetsAreTheProcessesWithMetrics(t *testing.T) {
	require.Equal(t, []targetGroup{
		{[]string{"127.0.0.1:102"}, map[string]string{"app": "placement", "kind": "daprcontrol"}},
		{[]string{"127.0.0.1:115"}, map[string]string{"app": "gateway", "kind": "app"}},
		{[]string{"127.0.0.1:114"}, map[string]string{"app": "gateway", "kind": "sidecar"}},
		{[]string{"127.0.0.1:140"}, map[string]string{"app": "orders", "kind": "app"}},
	}, targets([]process.Process{
		{Name: "placement", Kind: process.KindBacking, Ports: map[string]int{"grpc": 100, "metrics": 102}},
		{Name: "broker", Kind: process.KindBacking, Ports: map[string]int{"kafka": 109}},
		{Name: "dapr", Kind: process.KindCLI},
		{Name: "gateway", Kind: process.KindApp, Ports: map[string]int{"http": 80, "operations": 115}},
		{Name: "gateway-daprd", Kind: process.KindSidecar, Ports: map[string]int{"http": 111, "metrics": 114}},
		{Name: "orders", Kind: process.KindApp, Ports: map[string]int{"http": 140}},
	}))
}

func TestTargetsFollowTheShop(t *testing.T) {
	o := Options{RunDir: t.TempDir(), Log: io.Discard}
	require.NoError(t, os.MkdirAll(targetsDir(o.RunDir), 0o700))
	write := func(port int, names ...string) {
		t.Helper()
		var st rundir.State
		for _, name := range names {
			st.Processes = append(st.Processes, process.Process{
				Name: name, Kind: process.KindApp, Ports: map[string]int{"http": port},
			})
		}
		require.NoError(t, st.Write(o.RunDir))
		require.NoError(t, o.writeTargets())
	}
	read := func() (list []targetGroup) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(targetsDir(o.RunDir), "shop.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &list))
		return list
	}
	write(1, "cart")
	require.Equal(t, []string{"127.0.0.1:1"}, read()[0].Targets)
	write(2, "cart")
	require.Equal(t, []string{"127.0.0.1:2"}, read()[0].Targets)
	write(2)
	require.Len(t, read(), 1, "a shop that starts has no processes yet")
}

func TestAShopTracesToServersThatRun(t *testing.T) {
	o := Options{RunDir: t.TempDir(), Tracing: map[string]string{"OTEL_TRACES_SAMPLER_ARG": "0.1"}}
	require.NoError(t, os.MkdirAll(Dir(o.RunDir), 0o700))
	require.NoError(t, o.writeTracing(4318))
	vars, err := TracingVars(o.RunDir)
	require.NoError(t, err)
	require.Empty(t, vars, "the servers were killed: nobody holds the lock")

	lock, err := rundir.Acquire(Dir(o.RunDir))
	require.NoError(t, err)
	defer func() { require.NoError(t, lock.Release()) }()
	vars, err = TracingVars(o.RunDir)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:4318", vars["OTEL_EXPORTER_OTLP_ENDPOINT"])
	require.Equal(t, "0.1", vars["OTEL_TRACES_SAMPLER_ARG"])

	require.NoError(t, os.Remove(tracingFile(o.RunDir)))
	o.Tracing = nil
	require.NoError(t, o.writeTracing(4318))
	vars, err = TracingVars(o.RunDir)
	require.NoError(t, err)
	require.Empty(t, vars)
}

func TestMissingProgramsAreNamedWithTheirPackage(t *testing.T) {
	was := moduleDirs
	t.Cleanup(func() { moduleDirs = was })
	moduleDirs = []string{t.TempDir()}
	t.Setenv("PATH", "/nonexistent")
	err := Build(t.Context(), Options{})
	require.ErrorContains(t, err, "prometheus is missing: install it (on Debian: apt-get install prometheus)")
	for name, message := range map[string]string{
		alertmanager: "apt-get install prometheus-alertmanager)",
		nodeExporter: "apt-get install prometheus-node-exporter)",
		openSearch:   "apt-get install default-jdk-headless)",
		shipper:      "apt-get install rsyslog",
	} {
		_, err := Options{}.prepare(t.Context(), name, server.Settings{Dir: t.TempDir()})
		require.ErrorContains(t, err, message)
	}
	require.ErrorContains(t, checkModule("rsyslogd"), "apt-get install rsyslog-elasticsearch)")
}

// The name begins like those of the other tests that need programs of the system: see the Makefile.
func TestServersSayWhatIsWrongWithAConfiguration(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{prometheus, alertmanager} {
		path := filepath.Join(configDir(root), name, name+".yaml")
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("unknown_setting: 1\n"), 0o600))
	}
	real, err := toolchain.FindRoot()
	require.NoError(t, err)
	for _, name := range []string{prometheus, alertmanager} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log launchtest.Log
			with := Options{Root: root, RunDir: t.TempDir(), Log: &log}.servers()
			with.Root, with.Servers = real, []string{name} // the guard is built from the checkout
			_, err := infra.Start(t.Context(), with)
			require.ErrorContains(t, err, name+" stopped (exit status ")
			require.ErrorContains(t, err, "unknown_setting")
		})
	}
}
