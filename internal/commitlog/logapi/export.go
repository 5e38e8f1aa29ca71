package logapi

import (
	"context"

	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
)

// Exporter is a log that can be exported. Every *commitlog.Partition implements it.
type Exporter interface {
	Export(ctx context.Context, topic string, put func(sidecar.Item) error) error
}

// Exported returns a log, whose events are published to topic, as a source of a service's data export.
func Exported(log Exporter, topic string) moving.Source {
	return func(ctx context.Context, put func(sidecar.Item) error) error { return log.Export(ctx, topic, put) }
}
