package launch

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Logs reads the log files of a run directory as they grow, one name before each line.
type Logs struct {
	runDir, app string
	offset      map[string]int64
}

// NewLogs reads all logs, or those of one app and its sidecar, or of "broker", "scheduler", "placement"
// or "dapr".
func NewLogs(runDir, app string) *Logs {
	return &Logs{runDir: runDir, app: app, offset: map[string]int64{}}
}

// Print writes the complete lines that are new since the last call, and reports whether there is any file.
func (l *Logs) Print(w io.Writer) (bool, error) {
	files := l.files()
	for _, path := range files {
		if err := l.printFile(w, path); err != nil {
			return true, err
		}
	}
	return len(files) > 0, nil
}

func (l *Logs) files() []string {
	var list []string
	for _, pattern := range []string{"logs/*.log", ".dapr/logs/*.log"} {
		found, _ := filepath.Glob(filepath.Join(l.runDir, pattern))
		list = append(list, found...)
	}
	sort.Strings(list)
	if l.app == "" {
		return list
	}
	var some []string
	for _, path := range list {
		if name := logName(path); name == l.app || name == l.app+"-daprd" {
			some = append(some, path)
		}
	}
	return some
}

// logName turns orders_daprd_20260102150405.log into orders-daprd, and orders_app_….log into orders.
func logName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".log")
	parts := strings.Split(name, "_")
	switch {
	case len(parts) < 3:
		return name
	case parts[len(parts)-2] == "daprd":
		return strings.Join(parts[:len(parts)-2], "_") + "-daprd"
	}
	return strings.Join(parts[:len(parts)-2], "_")
}

func (l *Logs) printFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // rotated away
	}
	defer f.Close()
	if _, err := f.Seek(l.offset[path], io.SeekStart); err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	l.offset[path] += int64(end)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b[:end]), "\n"), "\n") {
		if line = CleanLine(line); line == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-19s %s\n", logName(path), line); err != nil {
			return err
		}
	}
	return nil
}
