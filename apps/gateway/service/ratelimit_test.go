package service_test

import (
	"compress/gzip"
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
)

// burst sends up to most requests, and returns how many were answered before the first was refused.
func burst(t *testing.T, g *testGateway, most int, method, path string, header ...string) int {
	t.Helper()
	for n := range most {
		w := g.send(method, path, "", header...)
		require.NotEmpty(t, w.Header().Get("RateLimit"))
		require.NotEmpty(t, w.Header().Get("RateLimit-Policy"))
		remaining, reset := w.Header().Get("RateLimit-Remaining"), w.Header().Get("RateLimit-Reset")
		require.Contains(t, w.Header().Get("RateLimit"), ";r="+remaining+";t="+reset)
		require.Contains(t, w.Header().Get("RateLimit-Policy"), ";q="+w.Header().Get("RateLimit-Limit")+";")
		if w.Code == http.StatusTooManyRequests {
			requireProblem(t, http.StatusTooManyRequests, "too-many-requests", w)
			require.NotEmpty(t, w.Header().Get("Retry-After"))
			return n
		}
	}
	return most
}

func TestRateLimitsCountByCallerAndKindOfRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		g := newTestGateway(t, service.Config{RateLimit: true})
		joinEcho(g)
		user := []string{"Authorization", "Bearer " + g.token(t, "u1", time.Now().Add(5*time.Minute))}
		other := []string{"Authorization", "Bearer " + g.token(t, "u2", time.Now().Add(5*time.Minute))}
		require.Equal(t, 60, burst(t, g, 100, "POST", "/api/v1/auth/login"))
		require.Equal(t, 60, burst(t, g, 100, "POST", "/api/v1/orders", user...))
		require.Equal(t, 60, burst(t, g, 100, "POST", "/api/v1/orders", other...))
		require.Equal(t, 100, burst(t, g, 200, "POST", "/api/v1/carts"))
		// Reads do not count as placing orders.
		require.Equal(t, 200, burst(t, g, 200, "GET", "/api/v1/orders", other...))
		require.Equal(t, 500-61-101, burst(t, g, 1000, "GET", "/api/v1/products"))
		require.Equal(t, 0, burst(t, g, 1, "GET", "/nowhere"))
		// A forged token counts for the address.
		require.Equal(t, 0, burst(t, g, 1, "GET", "/api/v1/me", "Authorization", "Bearer forged"))
		require.Equal(t, 10, burst(t, g, 10, "GET", "/api/v1/products", user...))

		time.Sleep(time.Second)
		require.Equal(t, 100, burst(t, g, 1000, "GET", "/api/v1/products"))
		require.Equal(t, 100, burst(t, g, 1000, "GET", "/healthz"), "probes have a limit of their own")
	})
}

func TestMailsToMailboxesThatACallerNamesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		joinEcho(g)
		mails := []string{
			"/api/v1/orders", "/api/v1/auth/register", "/api/v1/auth/forgot-password", "/api/v1/me/email",
		}
		sent := func(d time.Duration) (n int) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
				if g.send("POST", mails[time.Now().Unix()%int64(len(mails))], "{}").Code == http.StatusOK {
					n++
				}
			}
			return n
		}
		require.InDelta(t, 1500, sent(time.Hour), 2)
		require.InDelta(t, 500, sent(time.Hour), 2)
		w := g.send("POST", "/api/v1/orders", "{}")
		if w.Code == http.StatusOK { // the last token
			w = g.send("POST", "/api/v1/orders", "{}")
		}
		requireProblem(t, http.StatusTooManyRequests, "too-many-requests", w)
		require.Regexp(t, `^[1-9]\d?$`, w.Header().Get("Retry-After"), "a caller waits for seconds, not for an hour")
		require.Contains(t, w.Header().Get("RateLimit-Policy"), `"mailing";q=1000`)
		user := []string{"Authorization", "Bearer " + g.token(t, "u1", time.Now().Add(5*time.Minute))}
		require.Equal(t, 0, burst(t, g, 60, "POST", "/api/v1/orders", user...), "an account does not lift the limit")
		require.Equal(t, http.StatusOK, g.send("GET", "/api/v1/me", "", user...).Code, "the account is signed in")
		require.Equal(t, 60, burst(t, g, 60, "POST", "/api/v1/auth/login"), "a sign-in sends no mail")
	})
}

func TestEveryAnswerCountsForTheRateLimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 9000)
	for request, status := range map[string]int{
		"BREW /api/v1/products": 405, "TRACE /api/v1/me": 405, "BREW /nowhere": 405, "GET /nowhere": 404,
		"DELETE /docs": 405, "OPTIONS /api/v1/products": 204, "OPTIONS /nowhere": 404, "GET /favicon.ico": 404,
		"GET /docs": 503, "GET /openapi.json": 503, "GET /": 200, "GET /healthz": 200, "GET /readyz": 503,
		"GET /metrics": 404, "GET /api/v1/%2e%2e/x": 400, "GET /api/v1/products/": 404,
		"GET /api/v1/products?q=%ff": 422, "GET /api/v1/products?q=" + long: 414, "POST /api/v1/products/import": 401,
		"GET /api/v1/carts/c": 503,
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newTestGateway(t, service.Config{RateLimit: true, CORSOrigins: []string{"https://shop.example"}})
			method, target, _ := strings.Cut(request, " ")
			var last int
			for range 600 {
				r := httptest.NewRequest(method, "/", strings.NewReader("{}"))
				if method == "GET" || method == "OPTIONS" {
					r = httptest.NewRequest(method, "/", nil)
				}
				path, query, _ := strings.Cut(target, "?")
				require.NoError(t, setPath(r, path))
				r.URL.RawQuery, r.RequestURI = query, target
				w := httptest.NewRecorder()
				g.ServeHTTP(w, r)
				if last = w.Code; last != status {
					break
				}
			}
			require.Equal(t, http.StatusTooManyRequests, last, request)
			if method != "OPTIONS" {
				return
			}
			w := g.send("OPTIONS", "/api/v1/carts", "", "Origin", "https://shop.example",
				"Access-Control-Request-Method", "PUT")
			require.Equal(t, http.StatusTooManyRequests, w.Code, "preflights count, too")
		})
	}
}

func TestRateLimitsCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{})
	joinEcho(g)
	for range 1000 {
		w := g.send("POST", "/api/v1/auth/login", "")
		require.Equal(t, http.StatusOK, w.Code)
		require.Empty(t, w.Header().Get("RateLimit"))
	}
}

func TestIPv6AddressesCountByTheirNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGateway(t, service.Config{RateLimit: true})
		from := func(addr string) int {
			r := httptest.NewRequest("POST", "/api/v1/auth/login", nil)
			r.RemoteAddr = addr
			w := httptest.NewRecorder()
			g.ServeHTTP(w, r)
			return w.Code
		}
		joinEcho(g)
		for i := range 60 {
			require.Equal(t, http.StatusOK, from(fmt.Sprintf("[2001:db8:0:1::%x]:1", i)))
		}
		require.Equal(t, http.StatusTooManyRequests, from("[2001:db8:0:1:ffff::1]:1"))
		require.Equal(t, http.StatusOK, from("[2001:db8:0:2::1]:1"))
		require.Equal(t, http.StatusOK, from("10.0.0.1:1"))
	})
}

func TestCORSPermitsOnlyTheConfiguredOrigins(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true, CORSOrigins: []string{"https://shop.example"}})
	joinEcho(g)
	preflight := func(g *testGateway, origin string) http.Header {
		return g.send("OPTIONS", "/api/v1/carts", "", "Origin", origin,
			"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "if-match").Header()
	}
	require.Equal(t, "https://shop.example", preflight(g, "https://shop.example").Get("Access-Control-Allow-Origin"))
	require.Empty(t, preflight(g, "https://evil.example").Get("Access-Control-Allow-Origin"))
	h := g.send("GET", "/api/v1/products", "", "Origin", "https://shop.example").Header()
	require.Equal(t, "https://shop.example", h.Get("Access-Control-Allow-Origin"))
	require.Contains(t, strings.ToLower(h.Get("Access-Control-Expose-Headers")), "etag")
	require.Empty(t, h.Get("Access-Control-Allow-Credentials"))

	none := newTestGateway(t, service.Config{RateLimit: true})
	joinEcho(none)
	require.Empty(t, preflight(none, "https://shop.example").Get("Access-Control-Allow-Origin"))
}

func TestLargeTextIsCompressed(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true})
	text := strings.Repeat(`{"a":"b"}`, 1000)
	g.mesh.Join("catalog", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		if r.URL.Query().Has("etag") {
			w.Header().Set("ETag", `"7"`)
		}
		if r.URL.Query().Has("small") {
			io.WriteString(w, "{}")
			return
		}
		io.WriteString(w, text)
	}))
	w := g.send("GET", "/api/v1/products?type=application/json", "", "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	require.Contains(t, w.Header().Values("Vary"), "Accept-Encoding")
	unzipped, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	got, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	require.Equal(t, text, string(got))

	for _, query := range []string{"type=application/json&etag=1", "type=application/json&small=1", "type=image/png"} {
		w := g.send("GET", "/api/v1/products?"+query, "", "Accept-Encoding", "gzip")
		require.Empty(t, w.Header().Get("Content-Encoding"), query)
		require.Empty(t, w.Header().Get("No-Gzip-Compression"))
	}
	require.Empty(t, g.send("GET", "/api/v1/products?type=application/json", "").Header().Get("Content-Encoding"))
}

func TestListsAreCompressedAndTheirETagIsWeak(t *testing.T) {
	t.Parallel()
	g := newTestGateway(t, service.Config{RateLimit: true, CacheMegabytes: 1})
	joinCounting(g)
	for range 2 { // from the app, and from the cache
		w := g.send("GET", "/api/v1/products", "", "Accept-Encoding", "br, gzip;q=0.5")
		require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
		require.Equal(t, `W/"1"`, w.Header().Get("ETag"))
		require.Contains(t, strings.Join(w.Header().Values("Vary"), ","), "Accept-Encoding")
		for _, refusing := range []string{"", "gzip;q=0", "identity", "*;q=0, identity"} {
			plain := g.send("GET", "/api/v1/products", "", "Accept-Encoding", refusing)
			require.Empty(t, plain.Header().Get("Content-Encoding"), refusing)
			require.Equal(t, `"1"`, plain.Header().Get("ETag"), refusing)
		}
		again := g.send("GET", "/api/v1/products", "", "Accept-Encoding", "gzip", "If-None-Match", `W/"1"`)
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Equal(t, `W/"1"`, again.Header().Get("ETag"))
		require.Empty(t, again.Header().Get("Content-Encoding"))
	}
	// The tag of a product must stay strong, because changes send it back in If-Match.
	require.Equal(t, `"2"`, g.send("GET", "/api/v1/products/hat", "", "Accept-Encoding", "gzip").Header().Get("ETag"))
	// An answer to POST may have a token.
	w := g.send("POST", "/api/v1/auth/login", "", "Accept-Encoding", "gzip")
	require.Empty(t, w.Header().Get("Content-Encoding"))
	for _, nothing := range []string{"gzip;q=0, identity;q=0", "*;q=0", "br, identity;q=0"} {
		w := g.send("GET", "/api/v1/products", "", "Accept-Encoding", nothing)
		requireProblem(t, http.StatusNotAcceptable, "not-acceptable", w)
	}
}
