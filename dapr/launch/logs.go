package launch

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// The dapr CLI writes one file for each app and one for each sidecar and start.
func logFile(runDir, app, kind string) string {
	files, _ := filepath.Glob(filepath.Join(runDir, ".dapr", "logs", app+"_"+kind+"_*.log"))
	if len(files) == 0 {
		return ""
	}
	sort.Strings(files) // the name ends in the time
	return files[len(files)-1]
}

// tail returns the last n lines of a file without the CLI's prefixes.
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
		if l := CleanLine(sc.Text()); l != "" {
			lines = append(lines, l)
		}
	}
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return lines
}

var (
	cliPrefix   = regexp.MustCompile(`^== APP - [^ ]+ == `)
	colours     = regexp.MustCompile("\x1b\\[[0-9;]*m")
	fatalLine   = regexp.MustCompile(`level=fatal msg=("(?:[^"\\]|\\.)*"|\S+)`)
	exitedLine  = regexp.MustCompile(`process exited with error code: (.*)$`)
	noisyInLogs = regexp.MustCompile(`^(\S+ )?(ℹ️|✅|⚠️|❌)`)
)

// CleanLine strips what the dapr CLI adds to an app's line.
func CleanLine(line string) string {
	return strings.TrimRight(cliPrefix.ReplaceAllString(colours.ReplaceAllString(line, ""), ""), " \r")
}

// fatal returns the sidecar's own words on why it gave up, if its log has them.
func fatal(path string) string {
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

// exitFromLog returns the exit reason that the dapr CLI noted at the end of a log.
func exitFromLog(path string) string {
	lines := tail(path, 50)
	for i := len(lines) - 1; i >= 0; i-- {
		if m := exitedLine.FindStringSubmatch(lines[i]); m != nil {
			return m[1]
		}
	}
	return ""
}

// Quote indents the last lines of a log for an error message, leaving out the CLI's own remarks.
func Quote(path string, n int) string {
	var b strings.Builder
	for _, l := range tail(path, n) {
		if !noisyInLogs.MatchString(l) {
			b.WriteString("\n    " + l)
		}
	}
	return b.String()
}
