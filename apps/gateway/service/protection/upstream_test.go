package protection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
)

// invokerFunc is a function as a sidecar.Invoker.
type invokerFunc func(context.Context, sidecar.Request) (*sidecar.Response, error)

func (f invokerFunc) Invoke(ctx context.Context, r sidecar.Request) (*sidecar.Response, error) {
	return f(ctx, r)
}

func TestPlacesAreLimitedAndReleased(t *testing.T) {
	t.Parallel()
	u := NewUpstream("orders", nil, 0, refusals(), zerolog.Nop())
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for kind, most := range maxPlaces {
		release, err := u.Acquire(r, kind)
		require.NoError(t, err)
		for range most - 1 {
			_, err := u.Acquire(r, kind)
			require.NoError(t, err)
		}
		_, err = u.Acquire(r, kind)
		require.True(t, fault.Is(err, "unavailable"))
		release()
		release() // does nothing
		_, err = u.Acquire(r, kind)
		require.NoError(t, err)
		_, err = u.Acquire(r, kind)
		require.True(t, fault.Is(err, "unavailable"))
	}
}

// from returns a request from an address, and from a user unless that is empty.
func from(address, user string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = address
	if user != "" {
		r = r.WithContext(identity.With(r.Context(), identity.Caller{UserID: user}, ""))
	}
	var seen *http.Request
	middleware.ClientIPFromRemoteAddr(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r })).
		ServeHTTP(httptest.NewRecorder(), r)
	return seen
}

func TestNoCallerTakesAllPlaces(t *testing.T) {
	t.Parallel()
	for name, caller := range map[string]func(i int) *http.Request{
		"an address":      func(int) *http.Request { return from("192.0.2.1:1", "") },
		"an IPv6 network": func(i int) *http.Request { return from(fmt.Sprintf("[2001:db8::%x]:1", i), "") },
		"a user at many addresses": func(i int) *http.Request {
			return from(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250), "u")
		},
		"many accounts of one address": func(i int) *http.Request { return from("192.0.2.1:1", fmt.Sprint("u", i)) },
	} {
		for kind, most := range maxPlaces {
			u := NewUpstream("orders", nil, 10, refusals(), zerolog.Nop())
			var releases []func()
			for i := range most {
				release, err := u.Acquire(caller(i), kind)
				if err != nil {
					require.True(t, fault.Is(err, "too-many-requests"), "%s: %v", name, err)
					require.Positive(t, fault.Of(err).RetryAfter)
					continue
				}
				releases = append(releases, release)
			}
			require.Len(t, releases, most/10, name)
			other, err := u.Acquire(from("198.51.100.7:1", "other"), kind)
			require.NoError(t, err, name)
			other()
			for _, release := range releases {
				release()
			}
			require.Empty(t, u.places[kind].by, "%s: entries of callers without a request", name)
			require.Zero(t, u.places[kind].taken)
		}
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
		u := NewUpstream("orders", c.invoker, 0, refusals(), zerolog.Nop())
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
