package launch

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A probe stores a value in a server and reads what is there, as a client would.
type probe struct {
	put func(ctx context.Context, vars map[string]string, value string) error
	get func(ctx context.Context, vars map[string]string) ([]string, error)
}

var probes = map[string]probe{
	"redis": {
		func(_ context.Context, vars map[string]string, value string) error {
			_, err := redisSay(vars, "SADD probe "+value)
			return err
		},
		func(_ context.Context, vars map[string]string) ([]string, error) {
			return redisSay(vars, "SMEMBERS probe")
		},
	},
	"postgres": {
		func(ctx context.Context, vars map[string]string, value string) error {
			_, err := psql(ctx, vars, "CREATE TABLE IF NOT EXISTS probe (value text); INSERT INTO probe VALUES ('"+value+"')")
			return err
		},
		func(ctx context.Context, vars map[string]string) ([]string, error) {
			return psql(ctx, vars, "SELECT value FROM probe")
		},
	},
}

// redisSay sends an inline command and returns the strings of the answer.
func redisSay(vars map[string]string, command string) ([]string, error) {
	c, err := net.Dial("tcp", vars["REDIS_HOST"])
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "AUTH %s\r\n%s\r\nQUIT\r\n", vars["REDIS_PASSWORD"], command)
	var said []string
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		switch l := lines.Text(); {
		case strings.HasPrefix(l, "-"):
			return nil, fmt.Errorf("redis: %s", l)
		case !strings.ContainsAny(l[:1], "+:*$"):
			said = append(said, l)
		}
	}
	return said, lines.Err()
}

func psql(ctx context.Context, vars map[string]string, sql string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", vars["POSTGRES_CONNECTION"], "-c", sql).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("psql: %w\n%s", err, out)
	}
	return strings.Fields(string(out)), nil
}

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
	for name, probe := range probes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := t.Context(), t.TempDir()
			i := startInfra(t, dir, name)
			vars := i.Vars()
			holds := func(values ...string) {
				t.Helper()
				got, err := probe.get(ctx, i.Vars())
				require.NoError(t, err)
				require.ElementsMatch(t, values, got)
				require.Equal(t, vars, i.Vars())
			}
			require.NoError(t, probe.put(ctx, vars, "first"))
			holds("first")

			require.NoError(t, i.StopServer(name))
			require.Error(t, probe.put(ctx, vars, "lost"))
			require.NoError(t, i.StartServer(ctx, name))
			holds("first")

			require.NoError(t, probe.put(ctx, vars, "second"))
			require.NoError(t, i.KillServer(name))
			require.Error(t, probe.put(ctx, vars, "lost"))
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

func TestSecondStartChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := startInfra(t, dir, "redis")
	_, err := StartInfra(t.Context(), InfraOptions{Dir: dir, Servers: []string{"redis"}})
	require.ErrorIs(t, err, ErrRunning)
	require.NoError(t, probes["redis"].put(t.Context(), i.Vars(), "value"))
	written, err := readVars(InfraVarsFile(dir))
	require.NoError(t, err)
	require.Equal(t, i.Vars(), written)
	info, err := os.Stat(InfraVarsFile(dir))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.ErrorContains(t, i.StartServer(t.Context(), "kafka"), "kafka was not started")
}

func TestDeathOfAServerIsTold(t *testing.T) {
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

func TestUnknownServersAndTakenPortsAreNamed(t *testing.T) {
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
}
