package infra

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/toolchain"
	"haberdash/internal/roster"
)

// launcherVariable is set in the environment of a process that must not run tests: see runLauncher.
const launcherVariable = "HABERDASH_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	if os.Getenv(launcherVariable) != "" {
		runLauncher()
	}
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// runLauncher is the main function of a process that starts servers and is then killed by its test.
func runLauncher() {
	_, err := Start(context.Background(), Options{
		Dir: os.Getenv("TEST_RUN_DIR"), Servers: []string{"redis", "postgres"},
	})
	fmt.Println("started", err)
	select {}
}

func pid(t *testing.T, i *Servers, name string) int {
	t.Helper()
	p, ok := i.Process(name)
	require.True(t, ok, name)
	return p.PID
}

func startInfra(t *testing.T, dir string, servers ...string) *Servers {
	t.Helper()
	var log launchtest.Log
	i, err := Start(t.Context(), Options{Dir: dir, Servers: servers, Log: &log})
	require.NoError(t, err, log.String())
	t.Cleanup(func() {
		if i.State().Status != rundir.Stopped {
			i.Stop()
		}
		t.Log(log.String())
	})
	return i
}

func TestServersKeepDataAndPorts(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, server.Names, slices.Collect(maps.Keys(probes)))
	for name, probe := range probes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := t.Context(), t.TempDir()
			i := startInfra(t, dir, name)
			vars := i.Vars()
			holds := func(values ...string) {
				t.Helper()
				got, err := probe.get(ctx, i)
				require.NoError(t, err)
				require.ElementsMatch(t, values, got)
				require.Equal(t, vars, i.Vars())
			}
			require.NoError(t, probe.put(ctx, i, "first"))
			holds("first")

			require.NoError(t, i.Terminate(name))
			require.Error(t, probe.put(ctx, i, "lost"))
			require.NoError(t, i.RestartServer(ctx, name))
			holds("first")

			require.NoError(t, probe.put(ctx, i, "second"))
			require.NoError(t, i.Kill(name))
			require.Error(t, probe.put(ctx, i, "lost"))
			require.NoError(t, i.RestartServer(ctx, name))
			holds("first", "second")
			require.Equal(t, rundir.Ready, i.State().Status)

			i.Stop()
			require.NoFileExists(t, VarsFile(dir))
			require.Empty(t, process.Marked(i.State().RunID))
			for _, p := range i.State().Processes {
				for _, port := range p.Ports {
					require.True(t, ports.Free(port), "%s left port %d", p.Name, port)
				}
			}
			i = startInfra(t, dir, name)
			holds("first", "second")
		})
	}
}

func TestServersLeaveTheTemporaryTablesOfOthersAlone(t *testing.T) {
	t.Parallel()
	other, err := os.CreateTemp("", "#sql-temptable-ffff-*.MAI")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.Remove(other.Name()) })
	require.NoError(t, other.Close())
	startInfra(t, t.TempDir(), "mysql")
	require.FileExists(t, other.Name())
}

func TestCleanRemovesTheDataOfTheServers(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), filepath.Join(t.TempDir(), "infra")
	i := startInfra(t, dir, "redis")
	require.NoError(t, probes["redis"].put(ctx, i, "first"))
	i.Stop()
	require.NoError(t, Clean(ctx, Options{Dir: dir}))
	require.NoDirExists(t, dir)
	require.NoError(t, Clean(ctx, Options{Dir: dir}), "there is nothing to remove")
	require.NoDirExists(t, dir)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	i = startInfra(t, dir, "redis")
	got, err := probes["redis"].get(ctx, i)
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestServersOfADirectoryStartOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := startInfra(t, dir, "redis")
	_, err := Start(t.Context(), Options{Dir: dir, Servers: []string{"redis"}})
	require.ErrorIs(t, err, rundir.ErrRunning)
	require.NoError(t, probes["redis"].put(t.Context(), i, "value"))
	written, err := secrets.ReadFile(VarsFile(dir))
	require.NoError(t, err)
	require.Equal(t, i.Vars(), written)
	info, err := os.Stat(VarsFile(dir))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.ErrorContains(t, i.RestartServer(t.Context(), "kafka"), `no process "kafka"`)
}

// `docker compose` starts the same servers as `make infra`.
func TestComposeFileHasTheSameServers(t *testing.T) {
	root, err := toolchain.FindRoot()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "deploy", "compose", "infra.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &map[string]any{}))
	require.Contains(t, string(text), "for t in "+strings.Join(roster.Topics(), " ")+";")
	pom, err := os.ReadFile(filepath.Join(root, "deploy", "infra", "pom.xml"))
	require.NoError(t, err)
	kafka := regexp.MustCompile(`(?s)kafka_2.13</artifactId>\s*<version>([^<]+)`).FindSubmatch(pom)
	require.Contains(t, string(text), "apache/kafka:"+string(kafka[1])+"\n")
}

func TestServersStateTellsOfAnUnexpectedEnd(t *testing.T) {
	t.Parallel()
	i := startInfra(t, t.TempDir(), "redis")
	p, err := os.FindProcess(pid(t, i, "redis"))
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	require.ErrorContains(t, <-i.Died(), "redis stopped (signal: killed)")
	require.Equal(t, rundir.Broken, i.State().Status)
	require.Contains(t, i.State().Error, "redis stopped")
	require.NoError(t, i.RestartServer(t.Context(), "redis"))
	require.Equal(t, rundir.Ready, i.State().Status)
}

func TestServersDieWithTheirProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), launcherVariable+"=1", "TEST_RUN_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it does not stop by itself
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started <nil>\n", line)
	st, err := rundir.ReadState(dir)
	require.NoError(t, err)
	require.Len(t, st.Processes, 2)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(st.Processes, func(p process.Process) bool { return p.Alive() })
	}, 10*time.Second, 50*time.Millisecond)
	// The next servers start in spite of the files that they left behind.
	startInfra(t, dir, "redis", "postgres")
}

func TestServersNamePortsInUse(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Dir: t.TempDir(), Servers: []string{"mongo"}})
	require.ErrorContains(t, err,
		`there is no server "mongo": the choices are redis, postgres, mysql, kafka, rabbitmq, nats, smtp`)

	dir := t.TempDir()
	i := startInfra(t, dir, "redis")
	i.Stop()
	l, err := net.Listen("tcp", i.Vars()["REDIS_HOST"])
	require.NoError(t, err)
	defer l.Close()
	_, err = Start(t.Context(), Options{Dir: dir, Servers: []string{"redis"}})
	require.ErrorContains(t, err, "(redis) is in use")
	require.ErrorContains(t, err, "remove the line PORT_BASE from "+dir)
}
