package host

import (
	"context"

	"github.com/rs/zerolog"

	"haberdash/internal/commitlog"
	"haberdash/internal/roster"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Describe adds to a line what is worth knowing of an event: ids and codes, no personal data and no text that a person
// has written.
type Describe func(line *zerolog.Event, e commitlog.Event)

// LogDecisions returns a function for commitlog.Options.Committed. It logs what was decided, at info level: one line
// for each command and type of event. described has the types that are logged; a description may be nil. If a command
// has several events of a type, as an import has, the line counts them and describes the first one.
func LogDecisions(log roster.Log, described map[string]Describe) func(context.Context, []commitlog.Event) {
	return func(ctx context.Context, events []commitlog.Event) {
		logger := telemetry.Log(ctx)
		if logger.GetLevel() > zerolog.InfoLevel {
			return
		}
		for i, e := range events {
			describe, ok := described[e.Type]
			if !ok || count(events[:i], e.Type) > 0 {
				continue
			}
			line := logger.Info().Str(field.Action, e.Type).Str(field.Log, log.Name).Str(field.Aggregate, e.Aggregate)
			if n := count(events[i:], e.Type); n > 1 {
				line.Int(field.Events, n)
			}
			if describe != nil {
				describe(line, e)
			}
			line.Msg(e.Type)
		}
	}
}

func count(events []commitlog.Event, eventType string) (n int) {
	for _, e := range events {
		if e.Type == eventType {
			n++
		}
	}
	return n
}
