package service_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

func TestTooLargeBodiesAreRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(g)
	full, over := strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20+1)
	require.Len(t, echoOf(t, g.send("POST", "/api/v1/carts", full)).Body, 1<<20)
	p := requireProblem(t, http.StatusRequestEntityTooLarge, "body-too-large", g.send("POST", "/api/v1/carts", over))
	require.EqualValues(t, 1<<20, p["maxBytes"])
	require.Len(t, echoOf(t, g.send("POST", "/api/v1/products/import", over, "Authorization", g.staff(t))).Body, 1<<20+1)

	// Without a length, the gateway must read the body. What the app answers to half a body is not forwarded.
	r := httptest.NewRequest("PUT", "/api/v1/carts/c/items/s", io.MultiReader(strings.NewReader(over)))
	r.ContentLength = -1
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	requireProblem(t, http.StatusRequestEntityTooLarge, "body-too-large", w)
}

func TestTooLargeImportsAreRefused(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	for size, status := range map[int64]int{64 << 20: http.StatusOK, 64<<20 + 1: http.StatusRequestEntityTooLarge} {
		r := httptest.NewRequest("POST", "/api/v1/products/import", io.LimitReader(zeros{}, size))
		r.Header.Set("Authorization", g.staff(t))
		r.ContentLength = -1
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		require.Equal(t, status, w.Code)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestErrorsOfAppsBecomeProblems(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	g.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/orders/declined":
			declined := fault.New(fault.PaymentRequired, "payment-declined", "Declined.")
			httpx.WriteProblem(w, declined.With("code", "card_declined"))
		case "/api/v1/orders/busy":
			httpx.WriteProblem(w, fault.New(fault.Unavailable, "unavailable", "Busy.").After(7*time.Second))
		case "/api/v1/orders/panic":
			panic("secret stack")
		case "/api/v1/orders/denied":
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errorCode":"ERR_ACL","message":"secret 10.0.0.3:50002"}`)
		case "/api/v1/orders/method":
			w.Header().Set("Allow", "GET")
			http.Error(w, "secret", http.StatusMethodNotAllowed)
		case "/api/v1/orders/gateway":
			http.Error(w, "secret", http.StatusBadGateway)
		default:
			http.Error(w, "secret", http.StatusInternalServerError)
		}
	}))
	p := requireProblem(t, http.StatusPaymentRequired, "payment-declined", g.send("GET", "/api/v1/orders/declined", ""))
	require.Equal(t, "card_declined", p["code"])
	w := g.send("GET", "/api/v1/orders/busy", "")
	requireProblem(t, http.StatusServiceUnavailable, "unavailable", w)
	require.Equal(t, "7", w.Header().Get("Retry-After"))
	for path, want := range map[string]struct {
		status int
		typ    string
	}{
		"denied": {403, "forbidden"}, "method": {405, "method-not-allowed"}, "gateway": {503, "unavailable"},
		"other": {500, "internal"}, "panic": {503, "unavailable"},
	} {
		w := g.send("GET", "/api/v1/orders/"+path, "")
		requireProblem(t, want.status, want.typ, w)
		require.NotContains(t, w.Body.String(), "secret")
		require.Equal(t, want.status == 503, w.Header().Get("Retry-After") != "", path)
		require.Equal(t, path == "method", w.Header().Get("Allow") == "GET, HEAD")
	}
}

func TestCircuitBreakerStopsRequestsToAnAppThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		calls, broken := 0, true
		g.mesh.Join("cart", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			if broken {
				panic("down")
			}
		}))
		for range 20 {
			w := g.send("GET", "/api/v1/carts/c", "")
			p := requireProblem(t, http.StatusServiceUnavailable, "unavailable", w)
			require.Equal(t, "cart", p["service"])
			require.NotEmpty(t, w.Header().Get("Retry-After"))
		}
		require.Equal(t, 5*3, calls, "each of the first five requests is tried three times")
		// There is no app orders.
		requireProblem(t, http.StatusServiceUnavailable, "unavailable", g.send("GET", "/api/v1/orders/o", ""))
		broken = false
		time.Sleep(2100 * time.Millisecond)
		for range 10 {
			require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/carts/c", "").Code)
		}
	})
}

func TestSlowRequestsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		g.mesh.Join("cart", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		start := time.Now()
		w := g.send("GET", "/api/v1/carts/c", "")
		requireProblem(t, http.StatusServiceUnavailable, "unavailable", w)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestClientsThatLeaveDoNotOpenTheCircuitBreaker(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	g.mesh.Join("cart", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			<-r.Context().Done()
		}
	}))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "DELETE", "/api/v1/carts/c", nil))
	}
	require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/carts/c", "").Code)
}

func TestEventStreamsAreForwardedEventByEvent(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	next, left := make(chan struct{}), make(chan struct{})
	g.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		w.Header().Set("Content-Type", "text/event-stream")
		flush := http.NewResponseController(w).Flush
		_ = flush()
		for i := 0; ; i++ {
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = flush()
		}
	}))
	server := httptest.NewServer(g)
	defer server.Close()
	req, _ := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/v1/orders/o/stream", nil)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := server.Client().Do(req)
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Empty(t, res.Header.Get("Content-Encoding"))
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		next <- struct{}{} // the event before has arrived before the stream ends
		require.True(t, lines.Scan())
		require.Equal(t, fmt.Sprintf("data: %d", i), lines.Text())
		require.True(t, lines.Scan())
	}
	res.Body.Close()
	<-left // the app learns that the client has left
}

func TestUploadsAreForwardedWhileTheyArrive(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	got := make(chan string)
	g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			got <- lines.Text()
		}
	}))
	server := httptest.NewServer(g)
	defer server.Close()
	in, out := io.Pipe()
	done, staff := make(chan error, 1), g.staff(t)
	go func() {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/api/v1/products/import", in)
		require.NoError(t, err)
		r.Header = http.Header{"Content-Type": {"application/x-ndjson"}, "Authorization": {staff}}
		res, err := server.Client().Do(r)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	for i := range 3 {
		fmt.Fprintf(out, "%d\n", i)
		require.Equal(t, fmt.Sprint(i), <-got) // before the upload ends
	}
	out.Close()
	require.NoError(t, <-done)
}

func TestReadinessReportsEachApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		ready := true
		for _, app := range []string{"catalog", "cart", "orders"} {
			g.mesh.Join(app, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, "/readyz", r.URL.Path)
				if app == "cart" && !ready {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
		}
		checks := func() (int, map[string]string) {
			w := g.ask("/readyz")
			var body struct{ Checks map[string]string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &body))
			return w.Code, body.Checks
		}
		status, named := checks()
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, map[string]string{
			"sidecar": "ok", "catalog": "ok", "cart": "ok", "orders": "ok", "users": "does not answer",
		}, named)
		g.mesh.Join("users", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		status, _ = checks()
		require.Equal(t, http.StatusServiceUnavailable, status) // the result is used again for half a second
		time.Sleep(500 * time.Millisecond)
		status, _ = checks()
		require.Equal(t, http.StatusOK, status)
		ready = false
		time.Sleep(500 * time.Millisecond)
		_, named = checks()
		require.Equal(t, "answers 503", named["cart"])
		require.Equal(t, http.StatusOK, g.send("GET", "/healthz", "").Code)
	})
}
