package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/telemetrytest"
)

const (
	parentID = "0af7651916cd43dd8448eb211c80319c"
	parent   = "00-" + parentID + "-b7ad6b7169203331-01"
)

func enter(t *testing.T, ctx context.Context, e telemetry.Entry) context.Context {
	t.Helper()
	ctx, span := telemetry.Enter(ctx, "test", e)
	t.Cleanup(func() { span.End() })
	return ctx
}

func TestATraceparentHeaderIsContinued(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"-00", "-01"} {
		ctx := enter(t, t.Context(), telemetry.Entry{TraceParent: strings.TrimSuffix(parent, "-01") + flags, RequestID: "r1"})
		require.Equal(t, parentID, telemetry.TraceID(ctx))
		require.Equal(t, "r1", telemetry.RequestID(ctx))
		require.Regexp(t, "^00-"+parentID+"-[0-9a-f]{16}"+flags+"$", telemetry.TraceParent(ctx))
		require.NotContains(t, telemetry.TraceParent(ctx), "b7ad6b7169203331")
	}
	ctx := enter(t, t.Context(), telemetry.Entry{TraceParent: parent})
	require.Equal(t, parentID, telemetry.RequestID(ctx), "without a request id")
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
		for _, stranger := range []bool{false, true} {
			ctx := enter(t, t.Context(), telemetry.Entry{TraceParent: header, Stranger: stranger})
			require.NotEqual(t, parentID, telemetry.TraceID(ctx), header)
			require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`, telemetry.TraceParent(ctx))
		}
	}
}

func TestTheTraceOfAStrangerIsOnlyLinked(t *testing.T) {
	recorder := telemetrytest.Record(t)
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, "gateway", "info")
	ctx, span := telemetry.Enter(log.WithContext(t.Context()), "GET", telemetry.Entry{TraceParent: parent, Stranger: true})
	telemetry.Log(ctx).Info().Msg("shown")
	span.End()
	require.NotEqual(t, parentID, telemetry.TraceID(ctx))
	require.Contains(t, out.String(), `"haberdash.linked_trace":"`+parentID+`"`)
	recorded := recorder.Of(telemetry.TraceID(ctx))["GET"]
	require.Len(t, recorded.Links(), 1)
	require.Equal(t, parentID, recorded.Links()[0].SpanContext.TraceID().String())
	require.False(t, recorded.Parent().IsValid())
}

func TestTheStrangerDoesNotChooseWhatIsRecorded(t *testing.T) {
	t.Parallel()
	ctx := enter(t, t.Context(), telemetry.Entry{TraceParent: parent, Stranger: true})
	require.Regexp(t, `-00$`, telemetry.TraceParent(ctx), "nothing is recorded here, whatever the flags of the stranger")
}

func TestLogLinesHaveTheTraceAndTheRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, "orders", "nonsense")
	ctx := enter(t, log.WithContext(t.Context()), telemetry.Entry{
		TraceParent: strings.TrimSuffix(parent, "1") + "0", RequestID: "r1",
	})
	telemetry.Log(ctx).Debug().Msg("hidden")
	telemetry.Log(ctx).Info().Msg("shown")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	at, err := time.Parse(time.RFC3339Nano, line["@timestamp"].(string))
	require.NoError(t, err)
	require.Equal(t, time.UTC, at.Location())
	_, span, _ := strings.Cut(strings.TrimSuffix(telemetry.TraceParent(ctx), "-00"), parentID+"-")
	require.Len(t, span, 16)
	delete(line, "@timestamp")
	require.Equal(t, map[string]any{
		"ecs.version": "8.17.0", "log.level": "info", "message": "shown", "service.name": "orders",
		"trace.id": parentID, "span.id": span, "http.request.id": "r1",
	}, line)
	require.Empty(t, telemetry.TraceParent(context.Background()))
	require.Empty(t, telemetry.TraceID(context.Background()))
	require.Empty(t, telemetry.RequestID(context.Background()))
	telemetry.Log(context.Background()).Info().Msg("no logger, no panic")
}

func TestAnEntryWithinAnotherReplacesTheIDs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, "orders", "info")
	outer := enter(t, log.WithContext(t.Context()), telemetry.Entry{RequestID: "outer"})
	inner := enter(t, enter(t, outer, telemetry.Entry{RequestID: "between"}), telemetry.Entry{RequestID: "inner"})
	telemetry.Log(inner).Info().Msg("shown")
	for _, name := range []string{"trace.id", "span.id", "http.request.id"} {
		require.Equal(t, 1, strings.Count(out.String(), `"`+name+`"`), out.String())
	}
	require.Contains(t, out.String(), telemetry.TraceID(inner))
	out.Reset()
	other := log.With().Str("other", "1").Logger()
	telemetry.Log(enter(t, other.WithContext(outer), telemetry.Entry{})).Info().Msg("shown")
	require.Contains(t, out.String(), `"other":"1"`, "a logger that was set in between stays")
}

func TestStepsAreRecordedOnlyWithinATraceThatIs(t *testing.T) {
	recorder := telemetrytest.Record(t)
	ctx, request := telemetry.Enter(t.Context(), "request", telemetry.Entry{Kind: trace.SpanKindServer})
	inner, call := telemetry.Start(ctx, "call", trace.SpanKindClient)
	require.NotEqual(t, telemetry.TraceParent(ctx), telemetry.TraceParent(inner))
	call.End()
	request.End()
	spans := recorder.Of(telemetry.TraceID(ctx))
	require.Equal(t, []string{"call", "request"}, recorder.Names(telemetry.TraceID(ctx)))
	require.Equal(t, spans["request"].SpanContext().SpanID(), spans["call"].Parent().SpanID())
	require.Equal(t, telemetry.TraceParent(ctx), telemetry.RecordedParent(ctx))

	ctx, span := telemetry.Start(t.Context(), "checkpoint", trace.SpanKindInternal)
	require.False(t, span.IsRecording())
	require.Empty(t, telemetry.TraceParent(ctx))
	probe, span := telemetry.Enter(t.Context(), "probe", telemetry.Entry{Unrecorded: true})
	require.False(t, span.IsRecording())
	require.Empty(t, telemetry.RecordedParent(probe))
	require.NotEmpty(t, telemetry.TraceParent(probe))
}

func TestABatchBelongsToTheFirstTraceAndIsLinkedToTheOthers(t *testing.T) {
	recorder := telemetrytest.Record(t)
	var parents, ids []string
	for range 3 {
		ctx, span := telemetry.Enter(t.Context(), "command", telemetry.Entry{})
		parents, ids = append(parents, telemetry.TraceParent(ctx)), append(ids, telemetry.TraceID(ctx))
		span.End()
	}
	parents = append([]string{"", "malformed", strings.TrimSuffix(parent, "1") + "0"}, parents...)
	_, span := telemetry.StartBatch(t.Context(), "write", trace.SpanKindInternal, parents...)
	span.End()
	write := recorder.Of(ids[0])["write"]
	require.NotNil(t, write)
	require.Len(t, write.Links(), 2)
	for i, link := range write.Links() {
		require.Equal(t, ids[1+i], link.SpanContext.TraceID().String())
	}
	_, span = telemetry.StartBatch(t.Context(), "write", trace.SpanKindInternal, parents[:3]...)
	require.False(t, span.IsRecording())
}

func BenchmarkEnterUnrecorded(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, span := telemetry.Enter(b.Context(), "GET", telemetry.Entry{Kind: trace.SpanKindServer})
		span.End()
	}
}
