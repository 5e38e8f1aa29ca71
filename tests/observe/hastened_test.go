package observe

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// duration matches the times in a file of rules: windows and those after which an alert fires.
	duration = regexp.MustCompile(`(\[|\bfor: )(\d+[mhd])\b`)
	// age matches the limits of ages: those of metrics that are seconds themselves.
	age = regexp.MustCompile(`(?m)(_seconds(?:\{[^}]*\})?\) > )(\d+)$`)
)

const (
	// window is the time that each rule looks back: six scrapes.
	window = "30s"
	// restartWindow is that of a rule that looks back for a quarter of an hour, in which an app is restarted three times.
	restartWindow = "1m"
	// ageDivisor makes the limits of ages shorter. All other limits are those of the rules.
	ageDivisor = 20
)

// hastened returns a directory with Prometheus' rules in which all times are shorter: windows, the seconds until an
// alert fires, and limits of ages. The rules about disks include tmpfs, because a test has no other small disk.
func hastened(t *testing.T, root string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy", "observability", "prometheus", "rules", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	dir, ages := t.TempDir(), 0
	for _, path := range files {
		bytes, err := os.ReadFile(path)
		require.NoError(t, err)
		text := duration.ReplaceAllStringFunc(string(bytes), func(match string) string {
			switch {
			case match == "[15m":
				return "[" + restartWindow
			case match[0] == '[':
				return "[" + window
			}
			return "for: 5s"
		})
		text = age.ReplaceAllStringFunc(text, func(match string) string {
			ages++
			parts := age.FindStringSubmatch(match)
			limit, err := strconv.Atoi(parts[2])
			require.NoError(t, err)
			return parts[1] + strconv.Itoa(limit/ageDivisor)
		})
		text = strings.ReplaceAll(text, `fstype!~"tmpfs|`, `fstype!~"`)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(text), 0o600))
	}
	require.Equal(t, 5, ages, "the rules about a lag, a checkpoint, the watcher, and two about undecided orders")
	return dir
}
