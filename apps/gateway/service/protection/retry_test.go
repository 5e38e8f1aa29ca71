package protection

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// replicas answer the requests to an app, one after the other, each attempt by the next one; the last answers the rest.
type replicas struct {
	answers []func(context.Context) (*sidecar.Response, error)
	calls   atomic.Int32
	open    atomic.Int32 // bodies that are not closed
}

// Invoke implements sidecar.Invoker.
func (a *replicas) Invoke(ctx context.Context, _ sidecar.Request) (*sidecar.Response, error) {
	n := int(a.calls.Add(1))
	res, err := a.answers[min(n, len(a.answers))-1](ctx)
	if err == nil {
		a.open.Add(1)
		res.Body = &countedBody{ctx, strings.NewReader("body"), sync.OnceFunc(func() { a.open.Add(-1) })}
	}
	return res, err
}

// countedBody is a body that cannot be read after the context of its request has ended, as that of an HTTP client.
type countedBody struct {
	ctx context.Context
	io.Reader
	closed func()
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, b.ctx.Err()
	}
	return b.Reader.Read(p)
}

// Close implements io.Closer.
func (b *countedBody) Close() error {
	b.closed()
	return nil
}

func status(code int) func(context.Context) (*sidecar.Response, error) {
	return func(context.Context) (*sidecar.Response, error) { return &sidecar.Response{Status: code}, nil }
}

func unreachable(context.Context) (*sidecar.Response, error) { return nil, sidecar.ErrUnavailable }

// silent does not answer, like a replica whose machine is gone.
func silent(ctx context.Context) (*sidecar.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// late answers after the attempt has ended.
func late(context.Context) (*sidecar.Response, error) {
	time.Sleep(attemptTimeout + time.Second)
	return &sidecar.Response{Status: http.StatusTeapot}, nil
}

func TestSafeRequestsAreRepeatedWhileAnotherReplicaMayAnswer(t *testing.T) {
	t.Parallel()
	type answers = []func(context.Context) (*sidecar.Response, error)
	for name, c := range map[string]struct {
		method  string
		body    io.Reader
		answers answers
		status  int
		err     error
		calls   int32
		takes   time.Duration // at least
	}{
		"at once":             {"GET", nil, answers{status(200)}, 200, nil, 1, 0},
		"unreachable":         {"GET", nil, answers{unreachable, status(200)}, 200, nil, 2, 0},
		"unavailable":         {"GET", nil, answers{status(503), status(502), status(200)}, 200, nil, 3, 0},
		"silent":              {"GET", nil, answers{silent, status(200)}, 200, nil, 2, attemptTimeout},
		"two silent":          {"GET", nil, answers{silent, silent, status(200)}, 200, nil, 3, 2 * attemptTimeout},
		"silent, unavailable": {"GET", nil, answers{silent, status(503), status(200)}, 200, nil, 3, attemptTimeout},
		"late":                {"GET", nil, answers{late, status(200)}, 200, nil, 2, attemptTimeout},
		"OPTIONS":             {"OPTIONS", nil, answers{unreachable, status(204)}, 204, nil, 2, 0},
		"all unavailable":     {"GET", nil, answers{status(503)}, 503, nil, 3, 0},
		"all unreachable":     {"GET", nil, answers{unreachable}, 0, sidecar.ErrUnavailable, 3, 0},
		"an error of the app": {"GET", nil, answers{status(500), status(200)}, 500, nil, 1, 0},
		"not found":           {"GET", nil, answers{status(404), status(200)}, 404, nil, 1, 0},
		"unsafe":              {"POST", nil, answers{unreachable, status(200)}, 0, sidecar.ErrUnavailable, 1, 0},
		"idempotent":          {"PUT", nil, answers{unreachable, status(200)}, 0, sidecar.ErrUnavailable, 1, 0},
		"with a body": {"GET", strings.NewReader("x"), answers{unreachable, status(200)}, 0, sidecar.ErrUnavailable,
			1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				app, began := &replicas{answers: c.answers}, time.Now()
				res, err := newRepeater(app).Invoke(t.Context(), sidecar.Request{Method: c.method, Body: c.body})
				require.ErrorIs(t, err, c.err)
				assert.GreaterOrEqual(t, time.Since(began), c.takes)
				assert.Less(t, time.Since(began), c.takes+2*time.Second)
				assert.Equal(t, c.calls, app.calls.Load())
				if err == nil {
					assert.Equal(t, c.status, res.Status)
					body, err := io.ReadAll(res.Body)
					require.NoError(t, err)
					assert.Equal(t, "body", string(body))
					require.NoError(t, res.Body.Close())
				}
				assert.Zero(t, app.open.Load(), "bodies that are not closed")
			})
		})
	}
}

func TestRepetitionsEndWithTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), attemptTimeout/2)
		defer cancel()
		app := &replicas{answers: []func(context.Context) (*sidecar.Response, error){silent}}
		_, err := newRepeater(app).Invoke(ctx, sidecar.Request{Method: http.MethodGet})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.EqualValues(t, 1, app.calls.Load())
	})
}

// An app that is slow and refuses everything gets few repetitions beside a thousand requests at once.
func TestRepetitionsAreAShareOfTheRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const requests = 1000
		app := &replicas{answers: []func(context.Context) (*sidecar.Response, error){
			func(context.Context) (*sidecar.Response, error) {
				time.Sleep(time.Second)
				return &sidecar.Response{Status: http.StatusServiceUnavailable}, nil
			},
		}}
		repeater := newRepeater(app)
		var all sync.WaitGroup
		for range requests {
			all.Go(func() {
				res, err := repeater.Invoke(t.Context(), sidecar.Request{Method: http.MethodGet})
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusServiceUnavailable, res.Status)
					assert.NoError(t, res.Body.Close())
				}
			})
		}
		all.Wait()
		assert.Less(t, app.calls.Load(), int32(requests*3/2))
		assert.Greater(t, app.calls.Load(), int32(requests), "nothing is repeated")
		assert.Zero(t, app.open.Load(), "bodies that are not closed")
	})
}
