package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/telemetry"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

func TestATraceparentHeaderIsContinued(t *testing.T) {
	t.Parallel()
	tr := telemetry.NewTrace(parent, "r1")
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", tr.ID)
	require.NotEqual(t, "b7ad6b7169203331", tr.Span)
	require.Equal(t, "r1", tr.RequestID)
	require.Regexp(t, `^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$`, tr.Parent())
	require.Equal(t, tr.ID, telemetry.NewTrace(tr.Parent(), "").RequestID)
}

func TestAMalformedHeaderStartsANewTrace(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		"", "x", "00", strings.ToUpper(parent), strings.Replace(parent, "0af7", "0ag7", 1),
		"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "00-0af7-b7ad6b7169203331-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-\n1",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
	} {
		tr := telemetry.NewTrace(header, "")
		require.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", tr.ID, header)
		require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, tr.Parent())
	}
}

func TestTheTraceOfAStrangerIsOnlyLinked(t *testing.T) {
	t.Parallel()
	tr := telemetry.NewLinkedTrace(parent, "r1")
	require.NotEqual(t, "0af7651916cd43dd8448eb211c80319c", tr.ID)
	require.Equal(t, "0af7651916cd43dd8448eb211c80319c", tr.Link)
	require.Regexp(t, `-01$`, tr.Parent(), "the stranger does not choose the flags")
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, "gateway", "info")
	telemetry.Log(telemetry.WithTrace(log.WithContext(context.Background()), tr)).Info().Msg("shown")
	require.Contains(t, out.String(), `"linkedTrace":"0af7651916cd43dd8448eb211c80319c"`)
	for _, malformed := range []string{"", "x", strings.ToUpper(parent), parent + "-extra", parent + "\n", parent[:50]} {
		require.Empty(t, telemetry.NewLinkedTrace(malformed, "").Link, malformed)
	}
}

func TestLogLinesHaveTheTraceAndTheRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, "orders", "nonsense")
	tr := telemetry.NewTrace(parent, "r1")
	ctx := telemetry.WithTrace(log.WithContext(context.Background()), tr)
	telemetry.Log(ctx).Debug().Msg("hidden")
	telemetry.Log(ctx).Info().Msg("shown")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "orders", line["app"])
	require.Equal(t, tr.ID, line["trace"])
	require.Equal(t, "r1", line["request"])
	require.True(t, strings.HasSuffix(line["time"].(string), "Z"))
	got, ok := telemetry.TraceOf(ctx)
	require.True(t, ok)
	require.Equal(t, tr, got)
	_, ok = telemetry.TraceOf(context.Background())
	require.False(t, ok)
	telemetry.Log(context.Background()).Info().Msg("no logger, no panic")
}

func TestEachRegistryIsIndependent(t *testing.T) {
	t.Parallel()
	for range 2 {
		families, err := telemetry.NewRegistry().Gather()
		require.NoError(t, err)
		require.NotEmpty(t, families)
	}
}
