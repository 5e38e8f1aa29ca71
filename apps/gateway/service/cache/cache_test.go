package cache_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service/cache"
	"haberdash/internal/httpx"
)

// app is a handler behind a cache. It counts its calls, and its default answer has the number of the call.
type app struct {
	http.Handler // the cache in front of the app
	cache        *cache.Cache
	calls        int
	answer       http.HandlerFunc
	control      string
}

func newApp(answer http.HandlerFunc) *app {
	a := &app{cache: cache.New(cache.Options{Bytes: 1 << 20}), answer: answer, control: "public, max-age=1"}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.calls++
		w.Header().Set("Cache-Control", a.control)
		if a.answer != nil {
			a.answer(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, a.calls))
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL, a.calls)
	})
	a.Handler = a.cache.Writes(httpx.Conditional(a.cache.Reads(app)))
	return a
}

// send sends a request. header is name, value, name, value and so on.
func send(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswersAreServedFromMemoryWhileTheyAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(nil)
		a.control = "public, max-age=2"
		first := send(a, "GET", "/p")
		require.Equal(t, "haberdash; fwd=uri-miss; stored", first.Header().Get("Cache-Status"))
		time.Sleep(1500 * time.Millisecond)
		again := send(a, "GET", "/p")
		require.Equal(t, "GET /p 1", again.Body.String())
		require.Equal(t, "1", again.Header().Get("Age"))
		require.Equal(t, "haberdash; hit; ttl=0", again.Header().Get("Cache-Status"))
		require.Equal(t, `"1"`, again.Header().Get("ETag"))
		require.Equal(t, "public, max-age=2", again.Header().Get("Cache-Control"))
		time.Sleep(500 * time.Millisecond)
		late := send(a, "GET", "/p")
		require.Equal(t, "GET /p 2", late.Body.String())
		require.Equal(t, "haberdash; fwd=stale; stored", late.Header().Get("Cache-Status"))
	})
}

func TestEqualRequestsShareACachedAnswer(t *testing.T) {
	t.Parallel()
	a := newApp(nil)
	require.Equal(t, "GET /p?b=2&a=1&a=0 1", send(a, "GET", "/p?b=2&a=1&a=0").Body.String())
	equal := send(a, "GET", "/p?a=1&a=0&b=2", "Accept", "text/html", "User-Agent", "other")
	require.Equal(t, "GET /p?b=2&a=1&a=0 1", equal.Body.String())
	for _, other := range []string{"/p?a=0&a=1&b=2", "/p?a=1&a=0&b=2&c=", "/p", "/P"} {
		require.NotEqual(t, "haberdash; hit; ttl=0", send(a, "GET", other).Header().Get("Cache-Status"), other)
	}
	a.calls = 0
	head := send(a, "HEAD", "/q")
	require.Empty(t, head.Body.String())
	require.Equal(t, "8", head.Header().Get("Content-Length"))
	require.Equal(t, "GET /q 1", send(a, "GET", "/q").Body.String())
	require.Empty(t, send(a, "HEAD", "/%71").Body.String())
	require.Equal(t, 1, a.calls)
}

func TestConditionalReadsAreAnsweredFromMemory(t *testing.T) {
	t.Parallel()
	a := newApp(nil)
	for range 2 { // first from the app, then from memory
		w := send(a, "GET", "/p", "If-None-Match", `"0", "1"`)
		require.Equal(t, http.StatusNotModified, w.Code)
		require.Empty(t, w.Body.String())
		require.Equal(t, `"1"`, w.Header().Get("ETag"))
		require.Equal(t, "public, max-age=1", w.Header().Get("Cache-Control"))
	}
	require.Equal(t, http.StatusOK, send(a, "GET", "/p", "If-None-Match", `"2"`).Code)
	require.Equal(t, 1, a.calls)
}

func TestUncacheableAnswersAreNotStored(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]struct {
		status int
		header []string
	}{
		"private":          {200, []string{"Cache-Control", "private, max-age=9"}},
		"no-store":         {200, []string{"Cache-Control", "public, max-age=9, no-store"}},
		"no-cache":         {200, []string{"Cache-Control", "max-age=9, no-cache"}},
		"two headers":      {200, []string{"Cache-Control", "max-age=9", "Cache-Control", "private"}},
		"upper case":       {200, []string{"Cache-Control", "MAX-AGE=9, PRIVATE"}},
		"no lifetime":      {200, []string{"Cache-Control", "public"}},
		"no Cache-Control": {200, nil},
		"not a number":     {200, []string{"Cache-Control", "public, max-age=soon"}},
		"a lifetime of 0":  {200, []string{"Cache-Control", "public, max-age=9, s-maxage=0"}},
		"a cookie":         {200, []string{"Cache-Control", "public, max-age=9", "Set-Cookie", "a=b"}},
		"varies by *":      {200, []string{"Cache-Control", "public, max-age=9", "Vary", "Accept, *"}},
		"an error":         {404, []string{"Cache-Control", "public, max-age=9"}},
		"an outage":        {503, []string{"Cache-Control", "public, max-age=9"}},
		"too old":          {200, []string{"Cache-Control", "public, max-age=9", "Age", "9"}},
	} {
		a := newApp(func(w http.ResponseWriter, r *http.Request) {
			delete(w.Header(), "Cache-Control")
			for i := 0; i < len(answer.header); i += 2 {
				w.Header().Add(answer.header[i], answer.header[i+1])
			}
			w.WriteHeader(answer.status)
			io.WriteString(w, "mine")
		})
		for range 2 {
			w := send(a, "GET", "/p")
			require.Equal(t, answer.status, w.Code, name)
			require.Equal(t, "mine", w.Body.String(), name)
		}
		require.Equal(t, 2, a.calls, name)
	}
}

func TestRequestsThatBypassTheCache(t *testing.T) {
	t.Parallel()
	a := newApp(nil)
	send(a, "GET", "/p")
	for i, header := range [][]string{
		{"Authorization", "Bearer x"}, {"Authorization", ""}, {"X-Order-Token", "x"}, {"Range", "bytes=0-1"},
		{"If-Match", `"1"`}, {"If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"},
		{"Cache-Control", "no-cache"}, {"Cache-Control", "No-Store"}, {"Cache-Control", `max-age="`},
		{"Cache-Control", "max-age=9", "Cache-Control", "no-cache"}, {"Pragma", "no-cache"},
	} {
		w := send(a, "GET", "/p", header...)
		require.Equal(t, fmt.Sprintf("GET /p %d", i+2), w.Body.String(), header)
		require.Equal(t, "haberdash; fwd=bypass", w.Header().Get("Cache-Status"))
		require.Empty(t, w.Header().Get("Age"))
	}
	require.Equal(t, "GET /p 1", send(a, "GET", "/p").Body.String(), "the cached answer stays")
}

func TestClientsCanDemandFresherAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(nil)
		a.control = "public, max-age=10, stale-while-revalidate=10"
		send(a, "GET", "/p")
		time.Sleep(5 * time.Second)
		for _, enough := range []string{"max-age=5", "min-fresh=4", "max-stale", "only-if-cached"} {
			require.Equal(t, "GET /p 1", send(a, "GET", "/p", "Cache-Control", enough).Body.String(), enough)
		}
		require.Equal(t, "GET /p 2", send(a, "GET", "/p", "Cache-Control", "max-age=4").Body.String())
		require.Equal(t, "GET /p 2", send(a, "GET", "/p", "Cache-Control", "max-age=4").Body.String(),
			"the new answer is cached")
		require.Equal(t, "GET /p 3", send(a, "GET", "/p", "Cache-Control", "min-fresh=10").Body.String())
		time.Sleep(15 * time.Second)
		unstale := send(a, "GET", "/p", "Cache-Control", "max-age=60")
		require.Equal(t, "GET /p 4", unstale.Body.String(), "a stale answer does not suffice")
	})
}

func TestAnswersVaryByTheHeadersThatTheAppSees(t *testing.T) {
	t.Parallel()
	a := newApp(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Authorization, accept-language, User-Agent")
		require.Empty(t, r.Header["User-Agent"], "a header that the app does not see cannot change what others get")
		io.WriteString(w, r.Header.Get("Accept-Language"))
	})
	for range 2 {
		require.Equal(t, "de", send(a, "GET", "/p", "Accept-Language", "de", "User-Agent", "x").Body.String())
	}
	require.Equal(t, 1, a.calls)
	require.Equal(t, "fr", send(a, "GET", "/p", "Accept-Language", "fr").Body.String())
	require.Empty(t, send(a, "GET", "/p").Body.String())
	require.Equal(t, 3, a.calls)
}

func TestHeadersAddedToOneAnswerAreNotInTheNext(t *testing.T) {
	t.Parallel()
	a := newApp(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"A", "B", "C"} {
			w.Header().Add("Vary", name)
		}
	})
	for range 3 {
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		a.ServeHTTP(w, httptest.NewRequest("GET", "/p", nil))
		require.Equal(t, []string{"Origin", "A", "B", "C"}, w.Header().Values("Vary"))
		w = httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", "/p", nil))
		require.Equal(t, []string{"A", "B", "C"}, w.Header().Values("Vary"))
		w.Header().Add("Vary", "Accept-Encoding")
		w.Header().Set("ETag", "W/other")
	}
	require.Equal(t, 1, a.calls)
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const bound = 1 << 20
	registry, size := prometheus.NewRegistry(), 10_000
	c := cache.New(cache.Options{Bytes: bound, Metrics: registry})
	h := c.Reads(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		io.WriteString(w, strings.Repeat("x", size))
	}))
	for i := range 1000 {
		require.Len(t, send(h, "GET", fmt.Sprintf("/p?n=%d", i)).Body.String(), size)
	}
	metric := func(name string) float64 {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == name {
					return m.GetGauge().GetValue()
				}
				for _, l := range m.Label {
					if l.GetValue() == name {
						return m.GetCounter().GetValue()
					}
				}
			}
		}
		return -1
	}
	bytes := func() float64 { return metric("http_cache_bytes") }
	require.Eventually(t, func() bool { return bytes() <= bound }, 5*time.Second, time.Millisecond)
	require.Greater(t, bytes(), bound/2.)

	size = bound/8 + 1 // larger than the maximum of one answer: it is forwarded completely, and not stored
	for range 2 {
		w := send(h, "GET", "/large")
		require.Len(t, w.Body.String(), size)
		require.Equal(t, "haberdash; fwd=uri-miss", w.Header().Get("Cache-Status"))
		require.Empty(t, send(h, "HEAD", "/large").Body.String())
	}
	require.EqualValues(t, 1004, metric("miss"))
	require.Zero(t, metric("hit"))
}
