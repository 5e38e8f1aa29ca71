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
	"haberdash/internal/httpx/httpxtest"
)

func TestDeeplyNestedJSONIsRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	for name, c := range map[string]struct {
		body, media string
		refused     bool
	}{
		"at the maximum":             {nested(64), "application/json", false},
		"deeper":                     {nested(66), "application/json", true},
		"deeper, without a type":     {nested(66), "", true},
		"deeper, in a patch":         {nested(66), "Application/Merge-Patch+JSON; charset=utf-8", true},
		"never closed":               {strings.Repeat("[", 1<<20), "application/json", true},
		"after the first 16 KB":      {`"` + strings.Repeat("x", 100_000) + `",` + nested(66), "application/json", true},
		"in a string":                {`"` + strings.Repeat(`[{`, 100) + `"`, "application/json", false},
		"after an escaped quote":     {`"\"` + strings.Repeat(`[{`, 100) + `"`, "application/json", false},
		"after an escaped backslash": {`"\\"` + strings.Repeat(`[`, 65), "application/json", true},
		"many side by side":          {strings.Repeat(nested(2), 100), "application/x-ndjson", false},
		"brackets in CSV":            {strings.Repeat("[", 100), "text/csv", false},
	} {
		w := g.send("POST", "/api/v1/orders", c.body, "Content-Type", c.media)
		if !c.refused {
			require.Equal(t, c.body, echoOf(t, w).Body, name)
			continue
		}
		p := requireProblem(t, http.StatusBadRequest, "malformed-request", w)
		field := map[string]any{"location": "body", "message": "is nested too deeply"}
		require.Equal(t, []any{field}, p["errors"], name)
	}
}

func TestTooLargeHeadersAndAddressesAreRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	w := g.send("GET", "/api/v1/products", "", "X-Long", strings.Repeat("x", 12<<10-100))
	require.Equal(t, http.StatusOK, w.Code)
	p := requireProblem(t, http.StatusRequestHeaderFieldsTooLarge, "header-too-large",
		g.send("GET", "/api/v1/products", "", "X-Long", strings.Repeat("x", 12<<10)))
	require.Equal(t, "header.X-Long", p["errors"].([]any)[0].(map[string]any)["location"])
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("X-%d", i), "123456")
	}
	requireProblem(t, http.StatusRequestHeaderFieldsTooLarge, "header-too-large",
		g.send("GET", "/api/v1/products", "", many...))

	r := httptest.NewRequest("GET", "/api/v1/products?q="+strings.Repeat("x", 8<<10), nil)
	w = httptest.NewRecorder()
	g.ServeHTTP(w, r)
	requireProblem(t, http.StatusRequestURITooLong, "uri-too-long", w)

	const most = 100
	require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/products?q=x"+strings.Repeat("&a=1", most-1), "").Code)
	p = requireProblem(t, http.StatusUnprocessableEntity, "invalid-request",
		g.send("GET", "/api/v1/products?q=x"+strings.Repeat("&a=1", most), ""))
	require.Equal(t, "query", p["errors"].([]any)[0].(map[string]any)["location"])
}

func TestBodiesWithAContentCodingAreRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	for _, coding := range []string{"gzip", "br, gzip", "zstd", "GZIP", "unheard-of"} {
		w := g.send("POST", "/api/v1/carts", "{}", "Content-Encoding", coding)
		p := requireProblem(t, http.StatusUnsupportedMediaType, "unsupported-media-type", w)
		require.Equal(t, "header.Content-Encoding", p["errors"].([]any)[0].(map[string]any)["location"])
		require.Equal(t, "identity", w.Header().Get("Accept-Encoding"))
	}
	require.Equal(t, http.StatusOK, g.send("POST", "/api/v1/carts", "{}", "Content-Encoding", "identity").Code)
	require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/products", "", "Content-Encoding", "gzip").Code)
}

// addressed is a connection with an IP address, which the gateway needs.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1} }

func TestSlowBodiesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		joinEcho(g)
		listener := make(httpxtest.Pipes)
		server := &http.Server{Handler: g}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		// send sends a body in pieces, one after each interval. It returns the status of the answer and how long it
		// took.
		send := func(path, piece string, pieces int, interval time.Duration) (int, time.Duration) {
			client, conn := net.Pipe()
			staff := g.staff(t) // a new token, because the last one may have expired meanwhile
			defer client.Close()
			listener <- addressed{conn}
			start := time.Now()
			go func() {
				_, err := fmt.Fprintf(client, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"+
					"Authorization: %s\r\nContent-Length: %d\r\n\r\n", path, staff, pieces*len(piece))
				for i := 0; i < pieces && err == nil; i++ {
					_, err = io.WriteString(client, piece)
					time.Sleep(interval)
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
		require.Equal(t, http.StatusRequestTimeout, status)
		require.Equal(t, 5*time.Second, took.Truncate(time.Second))
		// The app has received the first half when the second does not arrive.
		status, took = send("/api/v1/carts", strings.Repeat("x", 20<<10), 2, 20*time.Second)
		require.Equal(t, http.StatusRequestTimeout, status)
		require.Equal(t, 10*time.Second, took.Truncate(time.Second))
		status, _ = send("/api/v1/carts", strings.Repeat("x", 5<<10), 18, time.Second) // 5 KB a second
		require.Equal(t, http.StatusOK, status)
		// Imports may be slower, and have pauses.
		status, _ = send("/api/v1/products/import", strings.Repeat("x", 30<<10), 20, 25*time.Second)
		require.Equal(t, http.StatusOK, status)
		status, took = send("/api/v1/products/import", "x", 100, time.Second)
		require.Equal(t, http.StatusRequestTimeout, status)
		require.Equal(t, 10*time.Second, took.Truncate(time.Second))
		// What arrived early does not permit a long pause.
		status, took = send("/api/v1/products/import", strings.Repeat("x", 1<<20), 2, time.Hour)
		require.Equal(t, http.StatusRequestTimeout, status)
		require.Equal(t, 30*time.Second, took.Truncate(time.Second))
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
		time.Sleep(2 * time.Hour) // until the senders have ended
		require.Equal(t, map[string]int{"body-too-slow": 4}, g.refused(t))
	})
}

func TestConcurrentRequestsToAnAppAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{})
		joinEcho(g)
		release := make(chan struct{})
		g.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/orders", "").Code) })
		}
		synctest.Wait()
		w := g.send("GET", "/api/v1/orders", "")
		p := requireProblem(t, http.StatusServiceUnavailable, "unavailable", w)
		require.Equal(t, "orders", p["service"])
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		require.Equal(t, map[string]int{"places": 1}, g.refused(t))
		require.Contains(t, g.ask("/metrics").Body.String(), `gateway_places_in_use{kind="ordinary"} 1000`)
		require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/carts/c", "").Code, "another app has its own slots")
		all.Go(func() {
			w := g.send("GET", "/api/v1/orders/o/stream", "")
			require.Equal(t, http.StatusOK, w.Code, "streams have their own slots")
		})
		synctest.Wait()
		close(release)
		all.Wait()
		require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/orders", "").Code)
	})
}

// A header that is not UTF-8 would make the sidecar's call fail, and a few such calls would open the circuit breaker
// for all clients.
func TestHeadersThatAreNotUTF8AreRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	for _, bad := range []string{"\xff", "a\xc3\x28", "M\xfcller"} {
		for range 10 {
			p := requireProblem(t, http.StatusBadRequest, "malformed-request",
				g.send("GET", "/api/v1/stock/x", "", "X-Odd", bad))
			require.Equal(t, "header.X-Odd", p["errors"].([]any)[0].(map[string]any)["location"])
		}
	}
	require.Equal(t, "Müller", echoOf(t, g.send("GET", "/api/v1/stock/x", "", "X-Odd", "Müller")).Header.Get("X-Odd"))
}
