package logs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"haberdash/internal/telemetry/field"
)

// hidden are the fields that people need not see: they are the same in all lines of a process, or say nothing to them.
var hidden = map[string]bool{
	field.ECS: true, field.Service: true, field.Span: true,
	"app_id": true, "instance": true, "type": true, "ver": true, // of sidecars
}

// short are the names of fields for people. Those of the namespace haberdash lose it.
var short = map[string]string{
	field.Error: "error", field.Trace: "trace", field.Request: "request", field.User: "user",
	field.Method: "method", field.Status: "status", field.Bytes: "bytes", field.Duration: "took", field.Action: "action",
	field.Address: "address",
}

// durations are the fields in nanoseconds.
var durations = map[string]bool{field.Duration: true, field.Wait: true}

// ANSI's codes of colours.
const (
	red, green, yellow, cyan, faint = 31, 32, 33, 36, 90
)

var levels = map[zerolog.Level]struct {
	name   string
	colour int
}{
	zerolog.TraceLevel: {"TRC", faint}, zerolog.DebugLevel: {"DBG", faint}, zerolog.InfoLevel: {"INF", green},
	zerolog.WarnLevel: {"WRN", yellow}, zerolog.ErrorLevel: {"ERR", red}, zerolog.FatalLevel: {"FTL", red},
	zerolog.PanicLevel: {"PNC", red},
}

// render returns an entry as a line for people: local time, process, level, message and fields. Lines of an unknown
// format stay as they are.
func render(e entry, colour bool) string {
	paint := func(code int, text string) string {
		if !colour || text == "" {
			return text
		}
		return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
	}
	process := paint(cyan, fmt.Sprintf("%-19s", e.process))
	if e.level == zerolog.NoLevel {
		return process + " " + printable(e.text)
	}
	level := levels[e.level]
	return paint(faint, e.at.Local().Format("15:04:05.000")) + " " + process + " " +
		paint(level.colour, level.name) + " " + content(e, paint)
}

// content returns the message and the fields of an entry. paint colours a text.
func content(e entry, paint func(code int, text string) string) string {
	var b strings.Builder
	b.WriteString(printable(e.message))
	stack := ""
	for _, f := range e.fields {
		switch {
		case hidden[f.name], f.name == field.Action && f.value == e.message,
			f.name == field.Request && f.value == e.get(field.Trace):
			continue
		case f.name == field.Stack:
			stack = f.value
			continue
		}
		code := faint
		if f.name == field.Error {
			code = red
		}
		b.WriteString(" " + paint(code, printable(shortName(f.name))+"=") + quoted(readable(f)))
	}
	for line := range strings.SplitSeq(strings.TrimRight(stack, "\n"), "\n") {
		if line != "" {
			b.WriteString("\n    " + printable(strings.ReplaceAll(line, "\t", "  ")))
		}
	}
	return b.String()
}

func shortName(name string) string {
	if s := short[name]; s != "" {
		return s
	}
	return strings.TrimPrefix(name, "haberdash.")
}

// readable writes nanoseconds as 1.5ms.
func readable(f fieldValue) string {
	if n, err := strconv.ParseInt(f.value, 10, 64); err == nil && durations[f.name] {
		return time.Duration(n).Round(time.Microsecond).String()
	}
	return f.value
}

// quoted quotes a value that is not one plain word.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \"=") && !strings.HasPrefix(value, "{") {
		value = `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
	}
	return printable(value)
}

// printable escapes what could control a terminal or hide text: control characters, also those of the set C1, marks
// that change the direction of text, and bytes that are no text. The escapes are those of JSON, so that JSON stays the
// same JSON.
func printable(text string) string {
	clean := true
	for _, r := range text {
		if clean = unicode.IsPrint(r) && r != unicode.ReplacementChar; !clean {
			break
		}
	}
	if clean {
		return text
	}
	var b strings.Builder
	for _, r := range text { // a byte that is no text is U+FFFD
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
