package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestFilesAreThoseOfTheDefinitions(t *testing.T) {
	t.Parallel()
	files, err := render()
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	for name, want := range files {
		have, err := os.ReadFile(name)
		require.NoError(t, err, "run `go run .` in deploy/observability")
		require.Equal(t, string(want), string(have), "%s: run `go run .` in deploy/observability", name)
	}
	// A file of a dashboard or group that has been removed would still be read.
	for _, pattern := range []string{
		"prometheus/rules/*", "prometheus/tests/*", "prometheus/targets/*.json", "prometheus/targets/servers/*",
		"grafana/dashboards/*",
	} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range found {
			require.Contains(t, files, name, "%s: nothing defines it any more", name)
		}
	}
}

// Whoever starts Prometheus beside a shop replaces two words of its configuration.
func TestPromtoolAcceptsTheConfigurations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("prometheus/prometheus.yaml")
	require.NoError(t, err)
	rules, err := filepath.Abs("prometheus/rules")
	require.NoError(t, err)
	for _, word := range []string{"TARGETS_DIR/*.json", "[ALERTMANAGER]", "- rules/*"} {
		require.Equal(t, 1, strings.Count(string(text), word), word)
	}
	targets, err := filepath.Abs("prometheus/targets")
	require.NoError(t, err)
	local := filepath.Join(t.TempDir(), "prometheus.yaml")
	replaced := strings.NewReplacer("TARGETS_DIR", targets, "ALERTMANAGER", "127.0.0.1:9093", "- rules/", "- "+rules+"/")
	require.NoError(t, os.WriteFile(local, []byte(replaced.Replace(string(text))), 0o600))
	out := check(t, "promtool", "check", "config", local)
	require.Equal(t, len(rulesOf(t)), strings.Count(out, "rules found"), "it reads all files of rules: "+out)
	check(t, "promtool", "check", "config", withoutDiscovery(t, "prometheus/kubernetes.yaml"))
	check(t, "amtool", "check-config", "alertmanager/alertmanager.yaml")
}

// withoutDiscovery writes a configuration without the discovery of pods, which Debian's build of Prometheus does not
// have, and returns the path.
func withoutDiscovery(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, yaml.Unmarshal(text, &config))
	for _, job := range config["scrape_configs"].([]any) {
		require.NotEmpty(t, job.(map[string]any)["kubernetes_sd_configs"])
		delete(job.(map[string]any), "kubernetes_sd_configs")
	}
	text, err = yaml.Marshal(config)
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), "prometheus.yaml")
	require.NoError(t, os.WriteFile(out, text, 0o600))
	return out
}

func rulesOf(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("prometheus/rules/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// check runs a checker of Debian's packages prometheus and prometheus-alertmanager.
func check(t *testing.T, program string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	require.NoError(t, err, "install %s: it is in the package prometheus or prometheus-alertmanager", program)
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// Only somebody with Docker would notice a file that does not exist.
func TestComposeFileNamesFilesThatExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../compose/observability.yaml")
	require.NoError(t, err)
	var file struct {
		Services map[string]struct {
			Image       string
			Profiles    []string
			Ports       []string
			NetworkMode string `yaml:"network_mode"`
			Volumes     []string
			DependsOn   any `yaml:"depends_on"`

			Command, Entrypoint []string
		}
		Volumes map[string]any
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	require.NoError(t, decoder.Decode(&file))
	require.Len(t, file.Services, 13)
	profiles := 0
	for name, s := range file.Services {
		require.Regexp(t, `:v?\d+\.\d+\.\d+$`, s.Image, "%s: the version is pinned", name)
		for _, server := range s.Profiles { // Prometheus reads the file of a profile that is chosen
			require.FileExists(t, "prometheus/targets/servers/"+server+".json", name)
			profiles++
		}
		for _, p := range s.Ports {
			require.True(t, strings.HasPrefix(p, "127.0.0.1:"), "%s: %s is not on the loopback interface", name, p)
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if relative, ok := strings.CutPrefix(source, "../observability/"); ok {
				require.DirExists(t, relative, name)
				for _, file := range mounted.FindAllStringSubmatch(fmt.Sprint(s.Command, s.Entrypoint), -1) {
					require.FileExists(t, filepath.Join(relative, file[1]), name)
				}
			} else if !strings.ContainsAny(source, "./") {
				require.Contains(t, file.Volumes, source, name)
			}
		}
	}
	require.Equal(t, 3, profiles)
}

// mounted matches the file that a server of the compose file reads.
var mounted = regexp.MustCompile(`/etc/shop/([\w.]+\.(?:yaml|sh))`)
