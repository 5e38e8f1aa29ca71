// Package logs reads the log files of a run directory: the last lines for error messages, the reasons for which
// processes stopped, and all lines for `make logs`.
package logs

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
)

// Latest returns the newest log file of an app (kind "app") or of its sidecar (kind "daprd"); empty if there is none.
// The dapr CLI writes a file for each of them at each start.
func Latest(runDir, app, kind string) string {
	files, _ := filepath.Glob(filepath.Join(runDir, ".dapr", "logs", app+"_"+kind+"_*.log"))
	if len(files) == 0 {
		return ""
	}
	sort.Strings(files) // the name ends in the time
	return files[len(files)-1]
}

// tail returns the last n lines of a file without the prefixes of the dapr CLI.
func tail(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 64<<10 {
		_, _ = f.Seek(-64<<10, 2)
	}
	var lines []string
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if l := clean(sc.Text()); l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return lines
}

var (
	cliPrefix  = regexp.MustCompile(`^== APP - [^ ]+ == `)
	colours    = regexp.MustCompile("\x1b\\[[0-9;]*m")
	fatalLine  = regexp.MustCompile(`level=fatal msg=("(?:[^"\\]|\\.)*"|\S+)`)
	exitedLine = regexp.MustCompile(`process exited with error code: (.*)$`)
	cliRemark  = regexp.MustCompile(`^(\S+ )?(ℹ️|✅|⚠️|❌)|` +
		`^(Starting Dapr with id|Updating metadata for|You're up and running)`)
)

// clean removes what the dapr CLI adds to a line of an app.
func clean(line string) string {
	return strings.TrimRight(cliPrefix.ReplaceAllString(colours.ReplaceAllString(line, ""), ""), " \r")
}

// FatalError returns the message of the first fatal error of a Dapr program; empty if its log has none.
func FatalError(path string) string {
	for _, l := range tail(path, 200) {
		m := fatalLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if s, err := strconv.Unquote(m[1]); err == nil {
			return strings.TrimPrefix(s, "Fatal error from runtime: ")
		}
		return m[1]
	}
	return ""
}

// ExitReason returns how the process ended, as the dapr CLI has written it at the end of the log; empty if it has not.
func ExitReason(path string) string {
	lines := tail(path, 50)
	for i := len(lines) - 1; i >= 0; i-- {
		if m := exitedLine.FindStringSubmatch(lines[i]); m != nil {
			return m[1]
		}
	}
	return ""
}

// Quote returns the last n lines of a log for an error message: indented, without times, levels and remarks of the dapr
// CLI.
func Quote(path string, n int) string {
	var b strings.Builder
	for _, l := range tail(path, n) {
		if !cliRemark.MatchString(l) {
			if e := parse("", l); e.level != zerolog.NoLevel {
				l = content(e, func(_ int, text string) string { return text })
			}
			b.WriteString("\n    " + l)
		}
	}
	return b.String()
}
