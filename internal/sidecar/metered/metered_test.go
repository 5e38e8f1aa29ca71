package metered_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/sidecar/metered"
	"haberdash/internal/sidecar/sidecartest/invoketest"
	"haberdash/internal/sidecar/sidecartest/statetest"
)

// A measured port keeps the promises of the port.
func TestState(t *testing.T) {
	t.Parallel()
	statetest.TestState(t, func(*testing.T) sidecar.State {
		return metered.New(prometheus.NewRegistry()).State(memory.NewState(), "state")
	})
}

// A measured port keeps the promises of the port.
func TestInvoker(t *testing.T) {
	t.Parallel()
	invoketest.TestInvoker(t, func(_ *testing.T, app http.Handler) sidecar.Invoker {
		m := memory.NewMesh()
		m.Join(invoketest.App, app)
		return metered.New(prometheus.NewRegistry()).Invoker(m, nil)
	})
}

// calls returns how many calls were measured, by "operation target outcome".
func calls(t *testing.T, reg prometheus.Gatherer) map[string]int {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	counts := map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			counts[labels["operation"]+" "+labels["target"]+" "+labels["outcome"]] = int(m.GetHistogram().GetSampleCount())
		}
	}
	return counts
}

func TestEachOutcomeOfTheStoreIsCounted(t *testing.T) {
	t.Parallel()
	reg, ctx := prometheus.NewRegistry(), t.Context()
	s := metered.New(reg).State(memory.NewState(), "state")
	require.Empty(t, calls(t, reg), "no series before the first call")
	_, err := s.Get(ctx, "k")
	require.NoError(t, err)
	require.NoError(t, s.Create(ctx, "k", []byte("1")))
	require.ErrorIs(t, s.Create(ctx, "k", []byte("2")), sidecar.ErrExists)
	require.NoError(t, s.Put(ctx, "k", []byte("3"), ""))
	require.ErrorIs(t, s.Put(ctx, "k", []byte("4"), "stale"), sidecar.ErrStale)
	_, err = s.Get(ctx, "k")
	require.NoError(t, err)
	_, err = s.GetMany(ctx, []string{"k", "l"})
	require.NoError(t, err)
	require.NoError(t, s.PutMany(ctx, []sidecar.Item{{Key: "m", Value: []byte("5")}}))
	require.ErrorIs(t, s.PutManyIf(ctx, []sidecar.Item{{Key: "m", Value: []byte("6")}}), sidecar.ErrExists)
	require.NoError(t, s.Delete(ctx, "m", ""))
	left, leave := context.WithCancel(ctx)
	leave()
	_, err = s.Get(left, "k")
	require.Error(t, err)
	late, cancel := context.WithTimeout(ctx, 0)
	defer cancel()
	require.Error(t, s.Delete(late, "k", ""))
	require.Equal(t, map[string]int{
		"get state not-found": 1, "get state ok": 1, "get state canceled": 1, "get-many state ok": 1,
		"create state ok": 1, "create state conflict": 1, "set state ok": 1, "set state conflict": 1,
		"transaction state ok": 1, "transaction state conflict": 1, "delete state ok": 1, "delete state timeout": 1,
	}, calls(t, reg))
}

func TestInvocationsAreCountedByAppAndOutcome(t *testing.T) {
	t.Parallel()
	reg, mesh := prometheus.NewRegistry(), memory.NewMesh()
	answer := http.StatusOK
	mesh.Join("cart", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
	i := metered.New(reg).Invoker(mesh, []string{"cart"})
	for _, answer = range []int{200, 201, 304, 400, 404, 409, 410, 412, 422, 429, 500, 503} {
		res, err := i.Invoke(t.Context(), sidecar.Request{App: "cart", Method: http.MethodGet, Path: "/"})
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	for n := range 3 { // a name that no list has adds no series
		_, err := i.Invoke(t.Context(), sidecar.Request{App: fmt.Sprint("invented", n), Method: http.MethodGet, Path: "/"})
		require.ErrorIs(t, err, sidecar.ErrUnavailable)
	}
	require.Equal(t, map[string]int{
		"invoke cart ok": 3, "invoke cart not-found": 2, "invoke cart conflict": 2, "invoke cart refused": 3,
		"invoke cart failed": 2, "invoke other failed": 3,
	}, calls(t, reg))
}

// port fails every call.
type port struct{ err error }

func (p port) Publish(context.Context, string, []sidecar.Message) error { return p.err }

func (p port) Bind(context.Context, string, string, []byte, map[string]string) error { return p.err }

func (p port) Secret(context.Context, string) (string, error) { return "", p.err }

func (p port) Start(context.Context, string, string, any) error { return p.err }

func (p port) Raise(context.Context, string, string) error { return p.err }

func (p port) Status(context.Context, string) (sidecar.WorkflowStatus, error) {
	return sidecar.Absent, p.err
}

func (p port) Purge(context.Context, string) error { return p.err }

func TestErrorsOfTheSidecarHaveAnOutcome(t *testing.T) {
	t.Parallel()
	for result, err := range map[string]error{
		"ok": nil, "conflict": sidecar.ErrExists, "failed": errors.New("broken"),
		"not-found": fmt.Errorf("secret: %w", status.Error(codes.NotFound, "none")),
		"refused":   fmt.Errorf("bind: %w", status.Error(codes.PermissionDenied, "no")),
		"timeout":   sidecar.StoreUnavailable(fmt.Errorf("get: %w", status.Error(codes.DeadlineExceeded, "late"))),
	} {
		reg, p, ctx := prometheus.NewRegistry(), port{err}, t.Context()
		c := metered.New(reg)
		require.ErrorIs(t, c.Publisher(p, "pubsub").Publish(ctx, "orders", nil), err)
		binder := c.Binder(p, "mail")
		require.ErrorIs(t, binder.Bind(ctx, "mail", "create", nil, nil), err)
		require.ErrorIs(t, binder.Bind(ctx, "invented", "create", nil, nil), err)
		_, secretErr := c.Secrets(p, "secrets").Secret(ctx, "KEY")
		require.ErrorIs(t, secretErr, err)
		w := c.Workflows(p)
		require.ErrorIs(t, w.Start(ctx, "lifecycle", "1", nil), err)
		require.ErrorIs(t, w.Raise(ctx, "1", "paid"), err)
		require.ErrorIs(t, w.Purge(ctx, "1"), err)
		_, statusErr := w.Status(ctx, "1")
		require.ErrorIs(t, statusErr, err)
		found := calls(t, reg)
		for _, call := range []string{
			"publish pubsub", "bind mail", "bind other", "secret secrets", "workflow-start workflow",
			"workflow-raise workflow", "workflow-purge workflow",
		} {
			require.Equal(t, 1, found[call+" "+result], "%s: %v", call, found)
		}
	}
}

func TestTheHistogramIsWellFormed(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	s := metered.New(reg).State(memory.NewState(), "state")
	require.NoError(t, s.Put(t.Context(), "k", []byte("1"), ""))
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func BenchmarkGet(b *testing.B) {
	s := memory.NewState()
	measured := metered.New(prometheus.NewRegistry()).State(s, "state")
	require.NoError(b, s.Put(b.Context(), "k", []byte(strings.Repeat("x", 100)), ""))
	for name, store := range map[string]sidecar.State{"plain": s, "measured": measured} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = store.Get(b.Context(), "k")
			}
		})
	}
}
