package state_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	dapr "github.com/dapr/dapr/pkg/proto/runtime/v1"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/daprd/state"
	"haberdash/internal/sidecar/sidecartest/statetest"
)

// timeout is the timeout of the stores in these tests.
const timeout = 200 * time.Millisecond

func TestMissingSidecarIsUnavailable(t *testing.T) {
	t.Parallel()
	statetest.TestUnavailable(t, func(t *testing.T) sidecar.State {
		l := listen(t)
		l.Close()
		return connect(t, l)
	})
}

func TestSilentSidecarIsUnavailable(t *testing.T) {
	t.Parallel()
	statetest.TestUnavailable(t, func(t *testing.T) sidecar.State { return connect(t, listen(t)) })
}

var components = []string{"state.sqlite", "state.redis", "state.postgresql", "state.other"}

func TestFailingStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, kind := range components {
		for _, code := range []codes.Code{
			codes.Internal, codes.Aborted, codes.Unavailable, codes.ResourceExhausted,
			codes.Canceled, codes.DeadlineExceeded, // of the sidecar, while the caller still waits
		} {
			t.Run(fmt.Sprint(kind, " ", code), func(t *testing.T) {
				t.Parallel()
				statetest.TestUnavailable(t, func(t *testing.T) sidecar.State {
					return serve(t, kind, func(context.Context) error { return status.Error(code, "the store failed") })
				})
			})
		}
	}
}

func TestSilentStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, kind := range components {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			statetest.TestUnavailable(t, func(t *testing.T) sidecar.State { return serve(t, kind, waitForEnd) })
		})
	}
}

// If calls waited for each other, the last caller would wait for many timeouts.
func TestCallsOfASilentSidecarEndTogether(t *testing.T) {
	t.Parallel()
	s := connect(t, listen(t))
	began := time.Now()
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() { _ = s.Put(t.Context(), "k", []byte("1"), "") })
	}
	calls.Wait()
	require.Less(t, time.Since(began), 20*timeout)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// connect returns a store of the sidecar at a listener.
func connect(t *testing.T, l net.Listener) *state.Store {
	t.Helper()
	c, err := daprd.New(daprd.Options{GRPCPort: l.Addr().(*net.TCPAddr).Port, StateTimeout: timeout})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.State(daprd.StateStore)
}

// serve runs a sidecar with one component of that type. It answers every call of the component with what answer
// returns.
func serve(t *testing.T, kind string, answer func(context.Context) error) *state.Store {
	t.Helper()
	s := grpc.NewServer(grpc.UnaryInterceptor(func(
		ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
	) (any, error) {
		if info.FullMethod == dapr.Dapr_GetMetadata_FullMethodName {
			return handler(ctx, req)
		}
		return nil, answer(ctx)
	}))
	dapr.RegisterDaprServer(s, sidecarWith{kind: kind})
	l := listen(t)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return connect(t, l)
}

func waitForEnd(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// sidecarWith is a sidecar with one component of a type.
type sidecarWith struct {
	dapr.UnimplementedDaprServer
	kind string
}

// GetMetadata implements dapr.DaprServer.
func (s sidecarWith) GetMetadata(context.Context, *dapr.GetMetadataRequest) (*dapr.GetMetadataResponse, error) {
	component := &dapr.RegisteredComponents{Name: daprd.StateStore, Type: s.kind}
	return &dapr.GetMetadataResponse{RegisteredComponents: []*dapr.RegisteredComponents{component}}, nil
}
