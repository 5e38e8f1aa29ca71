package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/baggage"
)

// MaxBaggage bounds baggage, in bytes, because events keep it.
const MaxBaggage = 256

// WithBaggage returns a context with the baggage of a caller: name=value pairs that follow a request from service to
// service (W3C Baggage). Baggage that is malformed or larger than MaxBaggage is left out.
func WithBaggage(ctx context.Context, header string) context.Context {
	if header == "" || len(header) > MaxBaggage {
		return ctx
	}
	parsed, err := baggage.Parse(header)
	if err != nil {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, parsed)
}

// Baggage returns the header baggage of a call on behalf of ctx, "" if it has none.
func Baggage(ctx context.Context) string { return baggage.FromContext(ctx).String() }
