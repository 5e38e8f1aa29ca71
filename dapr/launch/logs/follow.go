package logs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// Reader prints the log files of a run directory while they grow, each line with the name of its process. It is not
// safe for concurrent use.
type Reader struct {
	runDir, process string
	offset          map[string]int64
}

// NewReader returns a Reader of all logs, or of those of one app and its sidecar, or of "broker", "scheduler",
// "placement" or "dapr".
func NewReader(runDir, process string) *Reader {
	return &Reader{runDir: runDir, process: process, offset: map[string]int64{}}
}

// Print writes the complete lines that are new since the last call, and reports whether there is any file.
func (r *Reader) Print(w io.Writer) (bool, error) {
	files := r.files()
	for _, path := range files {
		if err := r.printFile(w, path); err != nil {
			return true, err
		}
	}
	return len(files) > 0, nil
}

func (r *Reader) files() []string {
	var list []string
	for _, pattern := range []string{"logs/*.log", ".dapr/logs/*.log"} {
		found, _ := filepath.Glob(filepath.Join(r.runDir, pattern))
		list = append(list, found...)
	}
	sort.Strings(list)
	if r.process == "" {
		return list
	}
	var some []string
	for _, path := range list {
		if name := processName(path); name == r.process || name == r.process+"-daprd" {
			some = append(some, path)
		}
	}
	return some
}

// processName turns orders_daprd_20260102150405.log into orders-daprd, and orders_app_….log into orders.
func processName(path string) string {
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

func (r *Reader) printFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil // a new start has renamed it
	}
	defer f.Close()
	if _, err := f.Seek(r.offset[path], io.SeekStart); err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	r.offset[path] += int64(end)
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b[:end]), "\n"), "\n") {
		if line = clean(line); line == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-19s %s\n", processName(path), line); err != nil {
			return err
		}
	}
	return nil
}
