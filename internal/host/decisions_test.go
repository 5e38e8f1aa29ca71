package host

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

func TestADecisionIsLoggedOnceWithTheRequest(t *testing.T) {
	t.Parallel()
	out := make(lines, 10)
	model := commitlog.Model[int]{Apply: func(_ string, n int, _ commitlog.Event) (int, error) { return n + 1, nil }}
	log, err := commitlog.Open(t.Context(), memory.NewState(), "orders", "orders", model, commitlog.Options{
		Committed: LogDecisions(roster.OrdersLog, map[string]Describe{
			"order.placed":   func(line *zerolog.Event, e commitlog.Event) { line.Str(field.Order, e.Aggregate) },
			"order.imported": nil,
		}),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close(context.WithoutCancel(t.Context()))) })
	ctx, span := telemetry.Enter(telemetry.NewLogger(out, "orders", "info").WithContext(t.Context()), "test",
		telemetry.Entry{RequestID: "r1"})
	defer span.End()
	place := func(tx *commitlog.Tx[int]) error {
		if _, seq := tx.State("o1"); seq > 0 {
			return nil // a repetition
		}
		tx.Emit("o1", "order.placed", map[string]string{"email": "ada@example.test"})
		tx.EmitInternal("o1", "listed", nil)
		return nil
	}
	for range 2 {
		_, err = log.Do(ctx, []string{"o1"}, place)
		require.NoError(t, err)
	}
	refused := errors.New("refused")
	_, err = log.Do(ctx, []string{"o2"}, func(tx *commitlog.Tx[int]) error {
		tx.Emit("o2", "order.placed", nil)
		return refused
	})
	require.Equal(t, refused, err)
	_, err = log.Do(ctx, []string{"o3", "o4"}, func(tx *commitlog.Tx[int]) error {
		tx.Emit("o3", "order.imported", nil)
		tx.Emit("o4", "order.imported", nil)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, out, 2)
	read := func() (line map[string]any) {
		require.NoError(t, json.Unmarshal([]byte(<-out), &line))
		for _, name := range []string{"@timestamp", "ecs.version", "log.level", "service.name", "span.id", "haberdash.log"} {
			require.NotEmpty(t, line[name])
			delete(line, name)
		}
		return line
	}
	trace := telemetry.TraceID(ctx)
	require.Equal(t, map[string]any{
		"message": "order.placed", "event.action": "order.placed", "haberdash.aggregate": "o1", "haberdash.order": "o1",
		"trace.id": trace, "http.request.id": "r1",
	}, read())
	require.Equal(t, map[string]any{
		"message": "order.imported", "event.action": "order.imported", "haberdash.aggregate": "o3",
		"haberdash.event.count": 2.0, "trace.id": trace, "http.request.id": "r1",
	}, read())
}
