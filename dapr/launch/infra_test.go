package launch

import (
	"bufio"
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

	"haberdash/internal/contract"
)

func startInfra(t *testing.T, dir string, servers ...string) *Infra {
	t.Helper()
	var log lockedBuffer
	i, err := StartInfra(t.Context(), InfraOptions{Dir: dir, Servers: servers, Log: &log})
	require.NoError(t, err, log.String())
	t.Cleanup(func() {
		if i.State().Status != Stopped {
			i.Stop()
		}
		t.Log(log.String())
	})
	return i
}

func TestServersKeepDataAndPorts(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, InfraServers, sortedKeys(probes))
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

			require.NoError(t, i.StopServer(name))
			require.Error(t, probe.put(ctx, i, "lost"))
			require.NoError(t, i.StartServer(ctx, name))
			holds("first")

			require.NoError(t, probe.put(ctx, i, "second"))
			require.NoError(t, i.KillServer(name))
			require.Error(t, probe.put(ctx, i, "lost"))
			require.NoError(t, i.StartServer(ctx, name))
			holds("first", "second")
			require.Equal(t, Ready, i.State().Status)

			i.Stop()
			require.NoFileExists(t, InfraVarsFile(dir))
			require.Empty(t, marked(i.State().RunID))
			for _, p := range i.State().Processes {
				for _, port := range p.Ports {
					require.True(t, free(port), "%s left port %d", p.Name, port)
				}
			}
			i = startInfra(t, dir, name)
			holds("first", "second")
		})
	}
}

func TestServersStartOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := startInfra(t, dir, "redis")
	_, err := StartInfra(t.Context(), InfraOptions{Dir: dir, Servers: []string{"redis"}})
	require.ErrorIs(t, err, ErrRunning)
	require.NoError(t, probes["redis"].put(t.Context(), i, "value"))
	written, err := readVars(InfraVarsFile(dir))
	require.NoError(t, err)
	require.Equal(t, i.Vars(), written)
	info, err := os.Stat(InfraVarsFile(dir))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.ErrorContains(t, i.StartServer(t.Context(), "kafka"), "kafka was not started")
}

// What Docker starts is what make infra starts.
func TestComposeHasTheSameServers(t *testing.T) {
	root, err := FindRoot()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, "deploy", "compose", "infra.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &map[string]any{}))
	require.Contains(t, string(text), "for t in "+strings.Join(contract.Topics(), " ")+";")
	pom, err := os.ReadFile(filepath.Join(root, "deploy", "infra", "pom.xml"))
	require.NoError(t, err)
	kafka := regexp.MustCompile(`(?s)kafka_2.13</artifactId>\s*<version>([^<]+)`).FindSubmatch(pom)
	require.Contains(t, string(text), "apache/kafka:"+string(kafka[1])+"\n")
}

func TestServersDeathIsTold(t *testing.T) {
	t.Parallel()
	i := startInfra(t, t.TempDir(), "redis")
	p, err := os.FindProcess(i.PID("redis"))
	require.NoError(t, err)
	require.NoError(t, p.Kill())
	require.ErrorContains(t, <-i.Failed(), "redis has stopped")
	require.Equal(t, Broken, i.State().Status)
	require.NoError(t, i.StartServer(t.Context(), "redis"))
	require.Equal(t, Ready, i.State().Status)
}

func TestServersDieWithTheirProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=infra", "TEST_RUN_DIR="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it does not end by itself
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started <nil>\n", line)
	st, err := ReadState(dir)
	require.NoError(t, err)
	require.Len(t, st.Processes, 2)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(st.Processes, func(p Process) bool { return p.Alive() })
	}, 10*time.Second, 50*time.Millisecond)
	// What they left behind does not keep the next ones from starting.
	startInfra(t, dir, "redis", "postgres")
}

func TestServersTakenPortsAreNamed(t *testing.T) {
	t.Parallel()
	_, err := StartInfra(t.Context(), InfraOptions{Dir: t.TempDir(), Servers: []string{"mysql"}})
	require.ErrorContains(t, err, `there is no server "mysql": the choices are redis, postgres, kafka, smtp`)

	dir := t.TempDir()
	i := startInfra(t, dir, "redis")
	i.Stop()
	l, err := net.Listen("tcp", i.Vars()["REDIS_HOST"])
	require.NoError(t, err)
	defer l.Close()
	_, err = StartInfra(t.Context(), InfraOptions{Dir: dir, Servers: []string{"redis"}})
	require.ErrorContains(t, err, "(redis) is in use")
	require.ErrorContains(t, err, "remove the line PORT_BASE from "+dir)
}

func TestMissingProgramsAreNamedWithTheirPackage(t *testing.T) {
	was := debianPostgres
	t.Cleanup(func() { debianPostgres = was })
	debianPostgres = t.TempDir()
	t.Setenv("PATH", "/nonexistent")
	i := &Infra{opts: InfraOptions{Dir: t.TempDir()}}
	_, _, err := i.redis(t.Context())
	require.ErrorContains(t, err, "redis-server is missing: install it (on Debian: apt-get install redis-server)")
	_, _, err = i.postgres(t.Context())
	require.ErrorContains(t, err, "initdb is missing: install it (on Debian: apt-get install postgresql)")
	_, _, err = i.kafka(t.Context())
	require.ErrorContains(t, err, "java is missing: install it (on Debian: apt-get install default-jre-headless)")

	i.opts.Root, err = FindRoot()
	require.NoError(t, err)
	t.Setenv("HABERDASH_CACHE", t.TempDir())
	_, err = i.kafkaJars(t.Context())
	require.ErrorContains(t, err, "mvn is missing: install it (on Debian: apt-get install maven)")
}
