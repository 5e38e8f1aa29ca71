package protection

import (
	"context"
	"errors"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// invokerFunc is a function as a sidecar.Invoker.
type invokerFunc func(context.Context, sidecar.Request) (*sidecar.Response, error)

func (f invokerFunc) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	return f(ctx, r)
}

func TestSlotsAreLimitedAndReleased(t *testing.T) {
	t.Parallel()
	u := NewUpstream("orders", nil, zerolog.Nop())
	for _, stream := range []bool{false, true} {
		release, err := u.Acquire(stream)
		require.NoError(t, err)
		for range maxConcurrent - 1 {
			_, err := u.Acquire(stream)
			require.NoError(t, err)
		}
		_, err = u.Acquire(stream)
		require.True(t, fault.Is(err, "unavailable"))
		release()
		_, err = u.Acquire(stream)
		require.NoError(t, err)
	}
}

func TestOnlyFailuresOfTheAppOpenTheCircuitBreaker(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	yes, no := func() bool { return true }, func() bool { return false }
	failing := invokerFunc(func(context.Context, sidecar.Request) (*sidecar.Response, error) {
		return nil, errors.New("down")
	})
	panicking := invokerFunc(func(context.Context, sidecar.Request) (*sidecar.Response, error) { panic("bug") })
	for name, c := range map[string]struct {
		ctx          context.Context
		invoker      sidecar.Invoker
		clientFailed func() bool
		opens        bool
	}{
		"the app fails":         {t.Context(), failing, no, true},
		"the invoker panics":    {t.Context(), panicking, no, true},
		"the client's body":     {t.Context(), failing, yes, false},
		"the client has left":   {canceled, failing, no, false},
		"the app answers a 500": {t.Context(), answering(500), no, false},
	} {
		u := NewUpstream("orders", c.invoker, zerolog.Nop())
		for range failuresToOpen {
			func() {
				defer func() { _ = recover() }()
				_, _ = u.Invoke(c.ctx, sidecar.Request{}, c.clientFailed)
			}()
		}
		u.invoker = answering(200)
		_, err := u.Invoke(t.Context(), sidecar.Request{}, no)
		require.Equal(t, c.opens, fault.Is(err, "unavailable"), name)
	}
}

func answering(status int) sidecar.Invoker {
	return invokerFunc(func(context.Context, sidecar.Request) (*sidecar.Response, error) {
		return &sidecar.Response{Status: status}, nil
	})
}
