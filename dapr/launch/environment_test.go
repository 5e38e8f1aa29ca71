package launch

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gopsutil "github.com/shirou/gopsutil/v4/process"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/secrets"
	"haberdash/internal/roster"
)

// variablesOf reads the environment of a process.
func variablesOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	ps, err := gopsutil.NewProcess(int32(pid))
	require.NoError(t, err)
	env, err := ps.Environ()
	require.NoError(t, err)
	vars := map[string]string{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return vars
}

func TestProcessesHaveOnlyTheVariablesThatTheyNeed(t *testing.T) {
	s := startShop(t, config.Options{Env: map[string]string{
		"STRIPE_SECRET_KEY": "secret of Stripe", "STRIPE_WEBHOOK_SECRET": "it's $HOME `of` \"Stripe\" & co.",
	}})
	kept, err := secrets.ReadFile(filepath.Join(s.RunDir(), secrets.FileName))
	require.NoError(t, err)
	own := map[string][]string{ // by process, the secrets that it has
		"orders-daprd": {kept["ID_KEY"], s.opts.Env["STRIPE_SECRET_KEY"], s.opts.Env["STRIPE_WEBHOOK_SECRET"]},
		"users-daprd":  {kept["KEY_ENCRYPTION_KEY"]},
	}
	all := []string{canary}
	for _, values := range own {
		all = append(all, values...)
	}
	for _, app := range roster.StandardIDs() {
		vars := variablesOf(t, pid(t, s, app))
		tokens := []string{vars[runfile.AppToken], vars[runfile.SidecarToken]}
		require.NotContains(t, tokens, "", app)
		require.Equal(t, tokens[1], s.SidecarToken(app))
		for _, token := range tokens {
			require.NotContains(t, all, token, "%s: each app has tokens of its own", app)
		}
		all, own[app] = append(all, tokens...), tokens
		own[app+"-daprd"] = append(own[app+"-daprd"], tokens...)
	}
	require.Len(t, s.Processes(), 2*len(roster.StandardIDs())+4)
	check := func() {
		t.Helper()
		// The guard is not a process of the shop, so it is not in this list; process tests check it.
		marked := process.Marked(s.State().RunID)
		require.GreaterOrEqual(t, len(marked), len(s.Processes()))
		for _, p := range marked {
			name := p.Name
			for _, known := range s.Processes() {
				if known.PID == p.PID {
					name = known.Name
				}
			}
			found := []string{}
			for _, value := range variablesOf(t, p.PID) {
				if slices.Contains(all, value) {
					found = append(found, value)
				}
			}
			require.ElementsMatch(t, own[name], found, name)
		}
	}
	check()
	for _, name := range []string{"orders", "orders-daprd"} {
		require.NoError(t, s.Kill(name))
		require.NoError(t, s.Restart(name))
	}
	require.NoError(t, s.Ready(t.Context()))
	check()
}

func TestRunDirectoryIsForItsOwner(t *testing.T) {
	s := startShop(t, config.Options{})
	info, err := os.Stat(s.RunDir())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	all := map[string]bool{}
	for _, a := range s.file.Apps {
		all[a.Env[runfile.AppToken]], all[a.Env[runfile.SidecarToken]] = true, true
	}
	kept, err := secrets.ReadFile(filepath.Join(s.RunDir(), secrets.FileName))
	require.NoError(t, err)
	for _, value := range kept {
		all[value] = true
	}
	withSecrets := 0
	err = filepath.WalkDir(s.RunDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		for value := range maps.Keys(all) {
			if strings.Contains(string(text), value) {
				withSecrets++
				require.Zero(t, info.Mode().Perm()&0o077, "%s has a secret and mode %s", path, info.Mode())
				break
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, withSecrets, len(s.file.Apps), "the run file, and a file of each sidecar")
}

// The supervisor has the settings and secrets that it passes on, and nothing else of the caller.
func TestSupervisorHasOnlyTheVariablesThatItNeeds(t *testing.T) {
	for name, value := range map[string]string{
		"STRIPE_SECRET_KEY": "a", "CORS_ORIGINS": "b", "ADMIN_PASSWORD": "c", "GATEWAY_PORT": "9999", "REDIS_PASSWORD": "d",
		"UNKNOWN": "e", "POSTGRES_CONNECTION": "f",
	} {
		t.Setenv(name, value)
	}
	env, err := Environment(config.Options{State: "redis"})
	require.NoError(t, err)
	for _, want := range []string{
		"STRIPE_SECRET_KEY=a", "CORS_ORIGINS=b", "ADMIN_PASSWORD=c", "GATEWAY_PORT=9999", "REDIS_PASSWORD=d",
	} {
		require.Contains(t, env, want)
	}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		require.NotContains(t, []string{"UNKNOWN", "POSTGRES_CONNECTION", canaryVariable}, name)
	}
}

// An app gets the settings that it reads, those of apps.yaml and others, and not those of another app.
func TestAppsGetTheSettingsThatTheyRead(t *testing.T) {
	t.Setenv("CORS_ORIGINS", "https://shop.test")
	t.Setenv("ORDER_DEADLINE", "3s")
	t.Setenv("LOG_LEVEL", "debug")
	o, f := completed(t, config.Options{RunDir: t.TempDir()})
	s := &Shop{opts: o, file: f}
	require.NoError(t, s.prepare())
	written, err := runfile.Read(runfile.Rendered(o.RunDir))
	require.NoError(t, err)
	require.Equal(t, "debug", written.Common.Env["LOG_LEVEL"])
	for _, a := range written.Apps {
		cors, deadline, mail := a.Env["CORS_ORIGINS"], a.Env["ORDER_DEADLINE"], a.Env["MAIL"]
		require.Equal(t, a.AppID == "gateway", cors == "https://shop.test", a.AppID)
		require.Equal(t, a.AppID == "orders", deadline == "3s", a.AppID)
		require.Equal(t, a.AppID == "notifications", mail == "files", a.AppID)
	}
}

// By hand, a shell reads the file: dapr run gives all apps and sidecars its environment.
func TestShellReadsTheEnvironmentOfASidecar(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	const value = "postgres://a:b@c/d?x=1&y='2' $HOME `id` \"\\\n#"
	require.NoError(t, secrets.WriteShellFile(path, map[string]string{"CONNECTION": value}))
	out, err := exec.Command("/bin/sh", "-c", `set -a; . "$0"; printenv CONNECTION`, path).Output()
	require.NoError(t, err)
	require.Equal(t, value+"\n", string(out))
}
