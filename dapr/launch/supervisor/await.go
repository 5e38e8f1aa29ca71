package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch/logs"
)

// checkTimeout is how long one attempt of a Check may take.
const checkTimeout = 5 * time.Second

// Check reports whether a process is ready.
type Check func(context.Context) bool

// HTTPCheck succeeds when a GET of the path on the port of this machine is answered with a status of 2xx.
func HTTPCheck(port int, path string) Check {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", port, path)
	return func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode/100 == 2
	}
}

// TCPCheck succeeds when the address accepts a connection.
func TCPCheck(address string) Check {
	return func(ctx context.Context) bool {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	}
}

// Await waits until the processes of the names are ready. It calls waiting, if not nil, with the names that are still
// missing. It fails when any process of the set stops unexpectedly, and at the end of ctx with the last log lines of
// the processes that are not ready.
func (s *Set) Await(ctx context.Context, waiting func(names []string), names ...string) error {
	checks := map[string]Check{}
	s.mu.Lock()
	for _, name := range names {
		if e := s.entries[name]; e != nil && e.healthy != nil {
			checks[name] = e.healthy
		}
	}
	s.mu.Unlock()
	type result struct {
		name string
		ok   bool
	}
	for began := time.Now(); ; {
		results := make(chan result, len(checks))
		for name, check := range checks {
			go func() {
				ctx, cancel := context.WithTimeout(ctx, checkTimeout)
				defer cancel()
				results <- result{name, check(ctx)}
			}()
		}
		for range len(checks) {
			if r := <-results; r.ok {
				delete(checks, r.name)
			}
		}
		if len(checks) == 0 {
			return nil
		}
		missing := slices.Sorted(maps.Keys(checks))
		if waiting != nil {
			waiting(missing)
		}
		select {
		case err := <-s.died:
			return err
		case <-ctx.Done():
			return s.NotReady(missing, time.Since(began), ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Died returns a channel that gets the first unexpected end of a process since the last Restart.
func (s *Set) Died() <-chan error { return s.died }

// NotReady is the error for processes that are not ready when a context ends, for the reason cause.
func (s *Set) NotReady(names []string, after time.Duration, cause error) error {
	if errors.Is(cause, context.Canceled) {
		return cause
	}
	var b strings.Builder
	fmt.Fprintf(&b, "not ready after %s: %s", after.Round(time.Second), strings.Join(names, ", "))
	for _, name := range names {
		if p, ok := s.Process(name); ok {
			fmt.Fprintf(&b, "\n  the last log lines of %s:%s", name, logs.Quote(p.Log, 8))
		}
	}
	return errors.New(b.String())
}
