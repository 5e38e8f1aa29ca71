package logs

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"haberdash/internal/telemetry/field"
)

// entry is a line of a log.
type entry struct {
	process string
	text    string    // the line
	at      time.Time // of the line, or of the last one before it that has a time
	level   zerolog.Level
	message string
	fields  []fieldValue // in the order of the line; nil if the line has another format
}

type fieldValue struct{ name, value string }

// get returns the value of a field, "" if the entry has none.
func (e entry) get(name string) string {
	for _, f := range e.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// parse reads a line: JSON of an app or of a sidecar, or the text of a sidecar (logfmt). Every other line has no fields
// and no level.
func parse(process, line string) entry {
	e := entry{process: process, text: line, level: zerolog.NoLevel}
	fields := jsonFields(line)
	if fields == nil && strings.HasPrefix(line, "time=") {
		fields = textFields(line)
	}
	for _, f := range fields {
		switch f.name {
		case field.Timestamp, "time":
			e.at, _ = time.Parse(time.RFC3339Nano, f.value)
		case field.Level, "level":
			if l, err := zerolog.ParseLevel(strings.Replace(f.value, "warning", "warn", 1)); err == nil {
				e.level = l
			}
		case field.Message, "msg":
			e.message = f.value
		default:
			e.fields = append(e.fields, f)
		}
	}
	if e.at.IsZero() {
		e.fields, e.level = nil, zerolog.NoLevel
	}
	return e
}

// jsonFields returns the members of a JSON object, nil if the line is none.
func jsonFields(line string) (fields []fieldValue) {
	if !strings.HasPrefix(line, "{") || !json.Valid([]byte(line)) {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(line))
	_, _ = d.Token() // the line is valid
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
		f := fieldValue{name: name.(string), value: string(value)}
		if bytes.HasPrefix(value, []byte(`"`)) {
			_ = json.Unmarshal(value, &f.value)
		}
		fields = append(fields, f)
	}
	return fields
}

var pair = regexp.MustCompile(`([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)`)

// textFields returns the pairs of a line such as time="…" level=info msg="…".
func textFields(line string) (fields []fieldValue) {
	for _, m := range pair.FindAllStringSubmatch(line, -1) {
		value := m[2]
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		fields = append(fields, fieldValue{m[1], value})
	}
	return fields
}
