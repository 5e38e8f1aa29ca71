package logapi

import (
	"context"

	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// Exporter is a log that can be moved; every *commitlog.Partition is one.
type Exporter interface {
	Export(ctx context.Context, topic string, put func(sidecar.Item) error) error
}

// Exported is a log, published to topic, as a part of what a service owns.
func Exported(log Exporter, topic string) transfer.Source {
	return func(ctx context.Context, put func(sidecar.Item) error) error { return log.Export(ctx, topic, put) }
}
