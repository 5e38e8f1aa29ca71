package telemetry_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/telemetry"
)

func TestBaggageIsBounded(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"none": "", "malformed": "tenant", "a name with a space": "a b=c", "too large": "a=" + strings.Repeat("x", 255),
	} {
		require.Empty(t, telemetry.Baggage(telemetry.WithBaggage(t.Context(), header)), name)
	}
	for _, header := range []string{"tenant=north", "tenant=north;since=2026", "a=" + strings.Repeat("x", 254)} {
		require.Equal(t, header, telemetry.Baggage(telemetry.WithBaggage(t.Context(), header)))
	}
	require.ElementsMatch(t, []string{"tenant=north", "test=1"},
		strings.Split(telemetry.Baggage(telemetry.WithBaggage(t.Context(), "tenant=north, test=1")), ","))
}
