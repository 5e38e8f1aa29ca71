package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"haberdash/internal/telemetry/field"
)

// Filter chooses lines. A zero member chooses all.
type Filter struct {
	// Process is an app with its sidecar, or "broker", "scheduler", "placement" or "dapr".
	Process string
	// Level is the lowest level. Lines without a level, such as those of a crash, are always chosen.
	Level string
	// Order is the id or the number of an order.
	Order string
	// Trace is the id of a trace, or a traceparent header.
	Trace string
}

// Format is how lines are printed.
type Format struct {
	JSON   bool // as the processes have written them
	Colour bool
}

// Reader prints the log files of a run directory while they grow. It is not safe for concurrent use.
type Reader struct {
	runDir string
	filter Filter
	format Format
	level  zerolog.Level
	orders map[string]bool // ids of the orders with the number Filter.Order, and Filter.Order
	offset map[string]int64
	last   map[string]time.Time // of the last line of a file
}

// NewReader returns a Reader of the chosen lines. It fails if the level is unknown.
func NewReader(runDir string, filter Filter, format Format) (*Reader, error) {
	r := &Reader{
		runDir: runDir, filter: filter, format: format, level: zerolog.TraceLevel,
		orders: map[string]bool{}, offset: map[string]int64{}, last: map[string]time.Time{},
	}
	if filter.Level != "" {
		var err error
		if r.level, err = zerolog.ParseLevel(filter.Level); err != nil || r.level > zerolog.ErrorLevel {
			return nil, fmt.Errorf("LEVEL=%s is unknown: the choices are debug, info, warn, error", filter.Level)
		}
	}
	if filter.Order != "" {
		r.orders[filter.Order] = true
	}
	if parts := strings.Split(filter.Trace, "-"); len(parts) == 4 {
		r.filter.Trace = parts[1]
	}
	return r, nil
}

// Print writes the complete lines that are new since the last call, the oldest first. It reports whether there is any
// file.
func (r *Reader) Print(w io.Writer) (bool, error) {
	var entries []entry
	found := false
	for _, path := range r.files() {
		chosen := r.chosen(path)
		found = found || chosen
		if !chosen && r.filter.Order == "" {
			continue // the ids of an order may be in any file
		}
		read, err := r.read(path)
		if err != nil {
			return found, err
		}
		for _, e := range read {
			if e.get(field.OrderNumber) == r.filter.Order && r.filter.Order != "" {
				r.orders[e.get(field.Order)] = true
			}
		}
		if chosen {
			entries = append(entries, read...)
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return a.at.Compare(b.at) })
	for _, e := range entries {
		if !r.matches(e) {
			continue
		}
		line := render(e, r.format.Colour)
		if r.format.JSON {
			line = printable(e.text)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return found, err
		}
	}
	return found, nil
}

func (r *Reader) matches(e entry) bool {
	if e.level < r.level || r.level > zerolog.TraceLevel && e.level == zerolog.NoLevel && cliRemark.MatchString(e.text) {
		return false
	}
	if r.filter.Trace != "" && !strings.Contains(e.text, r.filter.Trace) {
		return false
	}
	if r.filter.Order == "" {
		return true
	}
	for id := range r.orders {
		if id != "" && containsID(e.text, id) {
			return true
		}
	}
	return false
}

// containsID tells whether a text contains an id that is not a part of a longer one: H1 is not in H10.
func containsID(text, id string) bool {
	for {
		i := strings.Index(text, id)
		if i < 0 {
			return false
		}
		end := i + len(id)
		if (i == 0 || !isWord(text[i-1])) && (end == len(text) || !isWord(text[end])) {
			return true
		}
		text = text[end:]
	}
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (r *Reader) files() []string {
	var list []string
	for _, pattern := range []string{"logs/*.log", ".dapr/logs/*.log"} {
		found, _ := filepath.Glob(filepath.Join(r.runDir, pattern))
		list = append(list, found...)
	}
	sort.Strings(list)
	return list
}

func (r *Reader) chosen(path string) bool {
	name := processName(path)
	return r.filter.Process == "" || name == r.filter.Process || name == r.filter.Process+"-daprd"
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

// read returns the complete lines of a file that are new. A line without a time has that of the line before it.
func (r *Reader) read(path string) (entries []entry, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil // a new start has renamed it
	}
	defer f.Close()
	if _, err := f.Seek(r.offset[path], io.SeekStart); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(b, '\n') + 1
	r.offset[path] += int64(end)
	for line := range strings.Lines(string(b[:end])) {
		line = strings.TrimRight(line, "\r\n")
		if !json.Valid([]byte(line)) {
			line = clean(line)
		}
		if line == "" {
			continue
		}
		e := parse(processName(path), line)
		if e.at.IsZero() {
			e.at = r.last[path]
		}
		r.last[path] = e.at
		entries = append(entries, e)
	}
	return entries, nil
}
