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
	"haberdash/dapr/launch/secrets"
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
		require.NoError(t, o.writeShopTargets())
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

func TestExportersLookAtTheServersOfTheShop(t *testing.T) {
	for _, c := range []struct {
		state, pubsub string
		want          []string // exporter, label app, label kind
	}{
		{"sqlite", "embedded", nil},
		{"redis", "redis", []string{"redis-exporter redis store"}},
		{"redis", "kafka", []string{"redis-exporter redis store", "kafka-exporter kafka broker"}},
		{"postgres", "redis", []string{"redis-exporter redis broker", "postgres-exporter postgres store"}},
		{"postgres", "embedded", []string{"postgres-exporter postgres store"}},
	} {
		o := Options{RunDir: t.TempDir()}
		before := shopWith(t, o.RunDir, c.state, c.pubsub)
		list, err := o.exporters()
		require.NoError(t, err)
		var have []string
		for _, e := range list {
			have = append(have, e.name+" "+e.server+" "+e.kind)
		}
		require.Equal(t, c.want, have)

		before.Processes = nil
		require.NoError(t, before.Write(o.RunDir))
		list, err = o.exporters()
		require.NoError(t, err)
		require.Empty(t, list, "a shop that starts has not written the addresses yet")
	}
}

// shopWith writes what a running shop has in its run directory.
func shopWith(t *testing.T, runDir, state, pubsub string) rundir.State {
	t.Helper()
	st := rundir.State{
		Choices:   map[string]string{"STATE": state, "PUBSUB": pubsub},
		Processes: []process.Process{{Name: "orders", Kind: process.KindApp}},
	}
	require.NoError(t, st.Write(runDir))
	require.NoError(t, secrets.WriteShellFile(filepath.Join(runDir, "sidecars", "orders.env"), map[string]string{
		"REDIS_HOST": "127.0.0.1:1", "REDIS_PASSWORD": "it's a secret", "KAFKA_BROKERS": "127.0.0.1:3",
		"POSTGRES_CONNECTION": "postgres://haberdash:secret@127.0.0.1:2/haberdash?pool_max_conns=8&sslmode=disable",
	}))
	return st
}

func TestExportersGetAddressesAndPasswordsInTheirEnvironment(t *testing.T) {
	o := Options{RunDir: t.TempDir()}
	shopWith(t, o.RunDir, "postgres", "redis")
	list, err := o.exporters()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, map[string]string{
		"REDIS_ADDR": "redis://127.0.0.1:1", "REDIS_PASSWORD": "it's a secret",
	}, list[0].env)
	require.Equal(t, map[string]string{
		"DATA_SOURCE_NAME": "postgres://haberdash:secret@127.0.0.1:2/haberdash?connect_timeout=3&sslmode=disable",
	}, list[1].env, "the exporter does not know the settings of the sidecars' pool")
}

func TestTargetsOfExportersAreServersOfTheShop(t *testing.T) {
	processes := []process.Process{
		{Name: redisExporter, Ports: map[string]int{"metrics": 12}},
		{Name: kafkaExporter, Ports: map[string]int{"metrics": 14}},
	}
	require.Equal(t, []targetGroup{
		{[]string{"127.0.0.1:14"}, map[string]string{"app": "kafka", "kind": "broker"}},
	}, ownTargets(processes, []exporter{{name: kafkaExporter, server: "kafka", kind: kindBroker}}),
		"the shop used Redis before")
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
	runDir := t.TempDir()
	shopWith(t, runDir, "postgres", "redis")
	err := Build(t.Context(), Options{})
	require.ErrorContains(t, err, "prometheus is missing: install it (on Debian: apt-get install prometheus)")
	for name, message := range map[string]string{
		alertmanager: "apt-get install prometheus-alertmanager)",
		nodeExporter: "apt-get install prometheus-node-exporter)",
		openSearch:   "apt-get install default-jdk-headless)",
		shipper:      "apt-get install rsyslog",

		redisExporter:    "apt-get install prometheus-redis-exporter)",
		postgresExporter: "apt-get install prometheus-postgres-exporter)",
	} {
		_, err := Options{RunDir: runDir}.prepare(t.Context(), name, server.Settings{Dir: t.TempDir()})
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
