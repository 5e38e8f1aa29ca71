package observe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/observe"
)

// Each shop shows the servers that it uses and no others. A fault of a server lights the alert that is meant for it.
func TestServersShowStoresAndBrokers(t *testing.T) {
	t.Parallel()
	t.Run("redis-redis", func(t *testing.T) {
		s := showServers(t, "redis", "redis", false)
		s.scrapesServers("redis store")
		s.answersEveryExpression(s.root, "redis")
		require.Empty(t, s.unexpected())

		s.redis("CONFIG SET maxmemory " + strconv.Itoa(s.usedMemory()*103/100))
		s.lights("RedisMemoryNearLimit")
		s.redis("CONFIG SET maxmemory 0")

		// A snapshot cannot replace a folder.
		snapshot := filepath.Join(s.infraDir, "redis", "dump.rdb")
		require.NoError(t, os.MkdirAll(filepath.Join(snapshot, "folder"), 0o700))
		s.redis("BGSAVE")
		s.lights("RedisPersistenceFails")
		require.NoError(t, os.RemoveAll(snapshot))
		s.redis("BGSAVE")
		s.darkens("RedisMemoryNearLimit", "RedisPersistenceFails")

		require.NoError(t, s.infra.Kill("redis"))
		s.lights("StoreDown")
		require.NoError(t, s.infra.RestartServer(t.Context(), "redis"))
		s.darkens("StoreDown")

		// At the end, because the shop loses data.
		s.redis("CONFIG SET maxmemory-policy allkeys-random")
		s.redis("CONFIG SET maxmemory " + strconv.Itoa(s.usedMemory()*9/10))
		s.lights("RedisEvictsKeys")
	})
	t.Run("postgres-kafka", func(t *testing.T) {
		s := showServers(t, "postgres", "kafka", true)
		s.scrapesServers("postgres store", "kafka broker")
		s.answersEveryExpression(s.root, "postgres", "kafka")
		require.Empty(t, s.unexpected())

		release := s.useConnections(275)
		s.lights("PostgresConnectionsNearlyUsedUp")
		release()
		s.darkens("PostgresConnectionsNearlyUsedUp")

		require.NoError(t, s.infra.Kill("kafka"))
		s.lights("BrokerDown")
		require.NoError(t, s.infra.RestartServer(t.Context(), "kafka"))
		require.NoError(t, s.infra.Kill("postgres"))
		s.lights("StoreDown")
		require.NoError(t, s.infra.RestartServer(t.Context(), "postgres"))
		s.darkens("BrokerDown", "StoreDown")
	})
}

// shownServers are a shop on real servers, and what shows both.
type shownServers struct {
	shown
	infra          *infra.Servers
	root, infraDir string
}

// showServers starts a shop that is in use, the servers that it needs, and what shows them: before the shop, or after.
func showServers(t *testing.T, state, pubsub string, before bool) shownServers {
	t.Helper()
	ctx := t.Context()
	var log launchtest.Log
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	o, servers, stop, err := config.Options{
		RunDir: t.TempDir(), FreePorts: true, Watch: true, Log: &log, State: state, PubSub: pubsub,
		Env: map[string]string{"FAULT_FLAGS": "on"},
	}.WithServers(ctx)
	require.NoError(t, err)
	t.Cleanup(stop)
	with := observe.Options{Root: o.Root, RunDir: o.RunDir, Rules: hastened(t, o.Root), Log: &log}
	show := func() *observe.Servers {
		require.NoError(t, observe.Build(ctx, with))
		started, err := observe.Start(ctx, with)
		require.NoError(t, err)
		t.Cleanup(started.Stop)
		return started
	}
	var shows *observe.Servers
	if before {
		shows = show()
	}
	shop, err := launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = shop.Stop(context.Background()) })
	if !before {
		shows = show()
	}
	s := shownServers{
		shown{t, shows, addresses(shows.State())}, servers, o.Root, filepath.Join(o.RunDir, "infra"),
	}
	s.runsWorkflows(visit(t, shop))
	return s
}

// runsWorkflows makes the payment provider hang until workflows take over. On a fast store none would ever run, and
// what counts them and the scheduler's jobs would be absent.
func (s shownServers) runsWorkflows(people *visitors) {
	s.t.Helper()
	people.switchFault("orders", "slow-payment", "hanging")
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		series, err := s.query("sum(dapr_runtime_workflow_activity_execution_count) > 0 and " +
			"sum(dapr_scheduler_jobs_triggered_total) > 0")
		require.NoError(c, err)
		require.NotEmpty(c, series)
	}, 3*soon, tick)
	people.switchFault("orders", "slow-payment", "off")
}

// scrapesServers waits until the targets about servers are those of the shop, and looks for passwords where other users
// of the machine could read them.
func (s shownServers) scrapesServers(wanted ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		series, err := s.query(`up{kind=~"store|broker"} == 1`)
		require.NoError(c, err)
		var have []string
		for _, one := range series {
			have = append(have, one.Metric["app"]+" "+one.Metric["kind"])
		}
		require.ElementsMatch(c, wanted, have)
	}, soon, tick)
	exporters := 0
	for _, p := range s.servers.State().Processes {
		if !strings.HasSuffix(p.Name, "-exporter") {
			continue
		}
		exporters++
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		require.NoError(s.t, err)
		for name, value := range s.infra.Vars() {
			if secret := name == "REDIS_PASSWORD" || name == "POSTGRES_CONNECTION"; secret {
				require.NotContains(s.t, string(line), value, "%s of %s", name, p.Name)
			}
		}
	}
	require.Equal(s.t, 1+len(wanted), exporters, "with that of the machine")
}

// unexpected lists the alerts about servers that fire although nothing is wrong.
func (s shownServers) unexpected() (names []string) {
	firing, err := s.firing()
	require.NoError(s.t, err)
	for _, labels := range firing {
		if name := labels["alertname"]; slices.Contains(ofServers, name) || unlit[name] != "" {
			names = append(names, name)
		}
	}
	return names
}

// ofServers are the alerts that TestServersShowStoresAndBrokers lights.
var ofServers = []string{
	"StoreDown", "BrokerDown", "RedisMemoryNearLimit", "RedisPersistenceFails", "RedisEvictsKeys",
	"PostgresConnectionsNearlyUsedUp",
}

// unlit are alerts without a fault here, and why.
var unlit = map[string]string{"BrokerUnderReplicated": "takes two brokers; promtool tests it"}

func (s shownServers) lights(name string) {
	s.t.Helper()
	require.Contains(s.t, ofServers, name)
	require.EventuallyWithT(s.t, func(c *assert.CollectT) { assert.Contains(c, s.alerts(c), name) }, 2*soon, time.Second)
}

func (s shownServers) darkens(names ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		firing := s.alerts(c)
		for _, name := range names {
			assert.NotContains(c, firing, name)
		}
	}, 5*soon, time.Second) // Alertmanager forgets an alert some minutes after Prometheus
}

// alerts returns the names of the alerts that Alertmanager has.
func (s shownServers) alerts(c *assert.CollectT) (names []string) {
	firing, err := s.firing()
	require.NoError(c, err)
	for _, labels := range firing {
		names = append(names, labels["alertname"])
	}
	return names
}

// redis sends a command (Redis' protocol, inline commands) and returns the first line of the answer.
func (s shownServers) redis(command string) string {
	s.t.Helper()
	vars := s.infra.Vars()
	c, err := net.DialTimeout("tcp", vars["REDIS_HOST"], 5*time.Second)
	require.NoError(s.t, err)
	defer c.Close()
	require.NoError(s.t, c.SetDeadline(time.Now().Add(10*time.Second)))
	fmt.Fprintf(c, "AUTH %s\r\n%s\r\n", vars["REDIS_PASSWORD"], command)
	lines := bufio.NewScanner(c)
	require.True(s.t, lines.Scan())
	require.Equal(s.t, "+OK", lines.Text())
	require.True(s.t, lines.Scan())
	require.True(s.t, strings.HasPrefix(lines.Text(), "+"), "%s: %s", command, lines.Text())
	return lines.Text()
}

// usedMemory is what Redis uses, in bytes, by its exporter.
func (s shownServers) usedMemory() int {
	s.t.Helper()
	series, err := s.query("redis_memory_used_bytes")
	require.NoError(s.t, err)
	require.Len(s.t, series, 1)
	return int(series[0].value(s.t))
}

// useConnections opens connections to PostgreSQL until it has so many, and returns what closes them.
func (s shownServers) useConnections(wanted int) (release func()) {
	s.t.Helper()
	series, err := s.query("sum(pg_stat_activity_count)")
	require.NoError(s.t, err)
	require.Len(s.t, series, 1)
	more := wanted - int(series[0].value(s.t))
	programs, err := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	require.NoError(s.t, err)
	require.NotEmpty(s.t, programs, "the package postgresql has it")
	script := filepath.Join(s.t.TempDir(), "wait.sql")
	// The clients wait, and not the server, which would not notice that they are gone.
	require.NoError(s.t, os.WriteFile(script, []byte("SELECT 1;\n\\sleep 600 s\n"), 0o600))
	u, err := url.Parse(s.infra.Vars()["POSTGRES_CONNECTION"])
	require.NoError(s.t, err)
	password, _ := u.User.Password()
	ctx, cancel := context.WithCancel(s.t.Context())
	bench := exec.CommandContext(ctx, programs[len(programs)-1], "--no-vacuum", "--file", script,
		"--client", strconv.Itoa(more), "--jobs", "2", "--time", "600",
		"--host", u.Hostname(), "--port", u.Port(), "--username", u.User.Username(), strings.TrimPrefix(u.Path, "/"))
	bench.Env = append(os.Environ(), "PGPASSWORD="+password)
	require.NoError(s.t, bench.Start())
	ended := make(chan struct{})
	go func() {
		_ = bench.Wait()
		close(ended)
	}()
	release = func() {
		cancel()
		<-ended
	}
	s.t.Cleanup(release)
	return release
}
