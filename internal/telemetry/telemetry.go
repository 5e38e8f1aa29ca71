// Package telemetry provides a service's logger, traces and metrics registry.
//
// A trace follows W3C Trace Context and OpenTelemetry. It begins or goes on where something enters the service: with a
// request, a delivered event or a step of a workflow (see Enter). Its id is part of every log line, and
// internal/sidecar sends it with every call. Spans are exported only if an exporter is configured (see StartExport).
package telemetry

import (
	"context"
	"io"
	"time"

	"github.com/rs/zerolog"

	"haberdash/internal/telemetry/field"
)

// Log returns the logger of ctx: that of the request or delivery, otherwise that of the service.
func Log(ctx context.Context) *zerolog.Logger { return zerolog.Ctx(ctx) }

func init() {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000000Z07:00" // of one width, so that lines can be sorted as text
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
}

// NewLogger makes a logger that writes lines of JSON in the Elastic Common Schema (see package field), with the app's
// name. An unknown level is info.
func NewLogger(w io.Writer, app, level string) zerolog.Logger {
	l, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		l = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(l).With().Timestamp().Str(field.ECS, field.ECSVersion).Str(field.Service, app).Logger()
}
