package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// promtool runs Prometheus' own checker. It is part of Debian's package prometheus.
func promtool(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	require.NoError(t, err, "install promtool: the package prometheus has it")
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// rendered writes the rules of groups below a new folder, and returns the names of the test files.
func rendered(t *testing.T, groups []Group) (dir string, tests []string) {
	t.Helper()
	dir = t.TempDir()
	files, err := render(groups)
	require.NoError(t, err)
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, text, 0o600))
		if strings.HasPrefix(name, "prometheus/tests/") {
			tests = append(tests, name)
		}
	}
	return dir, tests
}

func TestEachAlertFiresAtItsFaultAndOnlyThen(t *testing.T) {
	t.Parallel()
	dir, tests := rendered(t, Groups())
	out, err := promtool(t, dir, append([]string{"test", "rules"}, tests...)...)
	require.NoError(t, err, out)
}

// If the series of fault and health changed places, both tests of each alert would have to fail.
func TestNoTestOfAnAlertPassesAlways(t *testing.T) {
	t.Parallel()
	groups := Groups()
	alerts := 0
	for _, g := range groups {
		for i := range g.Alerts {
			a := &g.Alerts[i]
			a.Fault, a.Healthy = a.Healthy, a.Fault
			alerts++
		}
	}
	dir, tests := rendered(t, groups)
	out, err := promtool(t, dir, append([]string{"test", "rules"}, tests...)...)
	require.Error(t, err)
	failed := map[string]bool{}
	for _, name := range regexp.MustCompile(`(?m)name: (.+),$`).FindAllStringSubmatch(out, -1) {
		failed[name[1]] = true
	}
	require.Len(t, failed, 2*alerts, out)
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	t.Parallel()
	dir, _ := rendered(t, Groups())
	files, err := filepath.Glob(filepath.Join(dir, "prometheus/rules/*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, len(Groups()))
	out, err := promtool(t, dir, append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, files...)...)
	require.NoError(t, err, out)
}

// The on-call person reads the summary and opens the page. Each page answers the same questions.
func TestEachAlertHasASummaryAndARunbook(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	require.NoError(t, err)
	require.Len(t, pages, len(Names())+1, "a page for each alert, and README.md")
	for _, a := range Alerts() {
		require.Regexp(t, `^[A-Z{].*\.$`, a.Summary, a.Name)
		require.NotContains(t, a.Expr, "$", a.Name)
		text, err := os.ReadFile(filepath.Join(root, a.Runbook()))
		require.NoError(t, err)
		last := 0
		for _, heading := range append([]string{"# " + a.Name}, sections...) {
			i := strings.Index(string(text), heading+"\n")
			require.GreaterOrEqual(t, i, last, "%s: %s is missing or in another place", a.Runbook(), heading)
			last = i
		}
	}
}

var sections = []string{"## What it means", "## What customers notice", "## Look first", "## Mend", "## How it ends"}
