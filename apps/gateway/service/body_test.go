package service_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
)

func TestJSONMayNotBeNestedDeeply(t *testing.T) {
	t.Parallel()
	s := open(t, service.Config{})
	joinEcho(s)
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	for name, c := range map[string]struct {
		body, media string
		refused     bool
	}{
		"as deep as may be":           {nested(64), "application/json", false},
		"deeper":                      {nested(66), "application/json", true},
		"deeper, nothing said":        {nested(66), "", true},
		"deeper, in a patch":          {nested(66), "Application/Merge-Patch+JSON; charset=utf-8", true},
		"never closed":                {strings.Repeat("[", 1<<20), "application/json", true},
		"beyond the first piece":      {`"` + strings.Repeat("x", 100_000) + `",` + nested(66), "application/json", true},
		"in a text":                   {`"` + strings.Repeat(`[{`, 100) + `"`, "application/json", false},
		"after an escaped quote":      {`"\"` + strings.Repeat(`[{`, 100) + `"`, "application/json", false},
		"after an escaped backslash":  {`"\\"` + strings.Repeat(`[`, 65), "application/json", true},
		"many side by side":           {strings.Repeat(nested(2), 100), "application/x-ndjson", false},
		"brackets in what is no JSON": {strings.Repeat("[", 100), "text/csv", false},
	} {
		w := s.ask("POST", "/api/v1/orders", c.body, "Content-Type", c.media)
		if !c.refused {
			require.Equal(t, c.body, echoOf(t, w).Body, name)
			continue
		}
		p := requireProblem(t, http.StatusBadRequest, "malformed-request", w)
		require.Equal(t, []any{map[string]any{"location": "body", "message": "is nested too deeply"}}, p["errors"], name)
	}
}

func TestHeadersAndAddressesAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, service.Config{})
	joinEcho(s)
	require.Equal(t, http.StatusOK, s.ask("GET", "/api/v1/products", "", "X-Long", strings.Repeat("x", 12<<10-100)).Code)
	p := requireProblem(t, http.StatusRequestHeaderFieldsTooLarge, "header-too-large", s.ask("GET", "/api/v1/products", "", "X-Long", strings.Repeat("x", 12<<10)))
	require.Equal(t, "header.X-Long", p["errors"].([]any)[0].(map[string]any)["location"])
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("X-%d", i), "123456")
	}
	requireProblem(t, http.StatusRequestHeaderFieldsTooLarge, "header-too-large", s.ask("GET", "/api/v1/products", "", many...))

	r := httptest.NewRequest("GET", "/api/v1/products?q="+strings.Repeat("x", 8<<10), nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	requireProblem(t, http.StatusRequestURITooLong, "uri-too-long", w)
}

// pipes is a listener in memory, so that connections keep the time of a synctest bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }

// addressed has the address that a gateway wants of a client.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

func TestSlowBodiesAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, service.Config{})
		joinEcho(s)
		listener := make(pipes)
		server := &http.Server{Handler: s}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		// send gives the status, and after how long; the body comes in pieces, one every so often.
		send := func(path, piece string, pieces int, every time.Duration) (int, time.Duration) {
			client, conn := net.Pipe()
			defer client.Close()
			listener <- addressed{conn}
			start := time.Now()
			go func() {
				_, err := fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n", path, pieces*len(piece))
				for i := 0; i < pieces && err == nil; i++ {
					_, err = io.WriteString(client, piece)
					time.Sleep(every)
				}
			}()
			res, err := http.ReadResponse(bufio.NewReader(client), nil)
			require.NoError(t, err)
			defer res.Body.Close()
			took := time.Since(start)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			return res.StatusCode, took
		}
		status, took := send("/api/v1/carts", "x", 100, time.Second)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, 5*time.Second, took.Truncate(time.Second))
		status, took = send("/api/v1/carts", strings.Repeat("x", 20<<10), 2, 20*time.Second) // the app has the first half already
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, 10*time.Second, took.Truncate(time.Second))
		status, _ = send("/api/v1/carts", strings.Repeat("x", 5<<10), 18, time.Second) // slow, but not too slow
		require.Equal(t, http.StatusOK, status)
		status, _ = send("/api/v1/products/import", "x", 100, time.Second) // may be made while it is sent
		require.Equal(t, http.StatusOK, status)
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
		time.Sleep(time.Minute) // the senders notice
	})
}

func TestASlowAppHasABoundedNumberOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, service.Config{RateLimit: "off"})
		joinEcho(s)
		release := make(chan struct{})
		s.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { require.Equal(t, http.StatusOK, s.ask("GET", "/api/v1/orders", "").Code) })
		}
		synctest.Wait()
		w := s.ask("GET", "/api/v1/orders", "")
		p := requireProblem(t, http.StatusServiceUnavailable, "unavailable", w)
		require.Equal(t, "orders", p["service"])
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.Equal(t, http.StatusOK, s.ask("GET", "/api/v1/carts/c", "").Code, "another app is not to blame")
		all.Go(func() {
			require.Equal(t, http.StatusOK, s.ask("GET", "/api/v1/orders/o/stream", "").Code, "streams have places of their own")
		})
		synctest.Wait()
		close(release)
		all.Wait()
		require.Equal(t, http.StatusOK, s.ask("GET", "/api/v1/orders", "").Code)
	})
}

// They would make the sidecar's call fail, and a few such calls open the breaker for everyone.
func TestHeadersThatSidecarsCannotCarryAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t, service.Config{})
	joinEcho(s)
	for _, bad := range []string{"\xff", "a\xc3\x28", "M\xfcller"} {
		for range 10 {
			p := requireProblem(t, http.StatusBadRequest, "malformed-request", s.ask("GET", "/api/v1/stock/x", "", "X-Odd", bad))
			require.Equal(t, "header.X-Odd", p["errors"].([]any)[0].(map[string]any)["location"])
		}
	}
	require.Equal(t, "Müller", echoOf(t, s.ask("GET", "/api/v1/stock/x", "", "X-Odd", "Müller")).Header.Get("X-Odd"))
}
