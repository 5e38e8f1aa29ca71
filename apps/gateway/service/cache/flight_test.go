package cache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/gateway/service/cache"
)

// slowApp answers after a second with the number of the call. The answer is fresh for a minute, unless the query has
// another Cache-Control.
func slowApp(calls *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := calls.Add(1)
		select {
		case <-time.After(time.Second):
		case <-r.Context().Done():
			w.WriteHeader(499)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=60")
		if other := r.URL.Query().Get("control"); other != "" {
			w.Header().Set("Cache-Control", other)
		}
		fmt.Fprint(w, n)
	}
}

func TestConcurrentEqualRequestsAreForwardedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h := cache.New(cache.Options{Bytes: 1 << 20}).Reads(slowApp(&calls))
		start := time.Now()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { require.Equal(t, "1", send(h, "GET", "/p").Body.String()) })
		}
		all.Wait()
		require.EqualValues(t, 1, calls.Load())
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestUncacheableAnswersAreNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h := cache.New(cache.Options{Bytes: 1 << 20}).Reads(slowApp(&calls))
		var all sync.WaitGroup
		var seen sync.Map
		start := time.Now()
		for range 20 {
			all.Go(func() { seen.Store(send(h, "GET", "/p?control=private").Body.String(), true) })
		}
		all.Wait()
		n := 0
		seen.Range(func(any, any) bool { n++; return true })
		require.Equal(t, 20, n, "each request has its own answer")
		require.Equal(t, 2*time.Second, time.Since(start), "the requests do not wait for each other")
	})
}

func TestAClientThatLeavesDoesNotCancelOtherRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h := cache.New(cache.Options{Bytes: 1 << 20}).Reads(slowApp(&calls))
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/p", nil)) })
		synctest.Wait()
		for range 10 {
			all.Go(func() { require.Equal(t, "2", send(h, "GET", "/p").Body.String()) })
		}
		synctest.Wait()
		leave()
		all.Wait()
		require.EqualValues(t, 2, calls.Load())

		waiting, cancel := context.WithCancel(t.Context())
		go send(h, "GET", "/q")
		synctest.Wait()
		all.Go(func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(waiting, "GET", "/q", nil))
		})
		synctest.Wait()
		cancel()
		all.Wait() // the request ends before there is an answer
		require.EqualValues(t, 3, calls.Load())
		time.Sleep(time.Minute)
	})
}

func TestRequestsDoNotWaitForLargeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "public, max-age=60")
			io.WriteString(w, strings.Repeat("x", 2<<10))
			<-end
		})
		h := cache.New(cache.Options{Bytes: 8 << 10}).Reads(app)
		go send(h, "GET", "/p")
		synctest.Wait()
		go send(h, "GET", "/p")
		synctest.Wait() // both have spilled: if the second waited for the first, this test would not end
		close(end)
	})
}

func TestStaleAnswersAreRefreshedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		h := cache.New(cache.Options{Bytes: 1 << 20}).Reads(slowApp(&calls))
		path := "/p?control=max-age=2,stale-while-revalidate=5"
		send(h, "GET", path) // sent at 0 s
		time.Sleep(2 * time.Second)
		start := time.Now()
		for range 10 {
			w := send(h, "GET", path)
			require.Equal(t, "1", w.Body.String())
			require.Equal(t, "haberdash; hit; ttl=-1", w.Header().Get("Cache-Status"))
			require.Equal(t, "3", w.Header().Get("Age"))
		}
		require.Zero(t, time.Since(start), "no request waits")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, "2", send(h, "GET", path).Body.String())
		require.EqualValues(t, 2, calls.Load(), "one request has refreshed the answer for all")
		time.Sleep(7 * time.Second)
		require.Equal(t, "3", send(h, "GET", path).Body.String(), "too stale")
		// These directives forbid stale answers (RFC 9111, sections 5.2.2.2, 5.2.2.8 and 5.2.2.10).
		for _, strict := range []string{"must-revalidate", "proxy-revalidate", "s-maxage=2"} {
			path := "/p?control=max-age=2,stale-while-revalidate=5,stale-if-error=5," + strict
			first := send(h, "GET", path).Body.String()
			time.Sleep(2 * time.Second)
			require.NotEqual(t, first, send(h, "GET", path).Body.String(), strict)
		}
	})
}

func TestStaleAnswersAreServedInsteadOfErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails http.HandlerFunc
		a := newApp(func(w http.ResponseWriter, r *http.Request) {
			if fails != nil {
				fails(w, r)
				return
			}
			io.WriteString(w, "good")
		})
		a.control = "public, max-age=1, stale-if-error=9"
		send(a, "GET", "/p")
		time.Sleep(5 * time.Second)
		for _, fails = range []http.HandlerFunc{
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "half an ans")
				panic(http.ErrAbortHandler)
			},
		} {
			w := send(a, "GET", "/p")
			require.Equal(t, "good", w.Body.String())
			require.Equal(t, "haberdash; hit; ttl=-4", w.Header().Get("Cache-Status"))
			w = send(a, "GET", "/other")
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.NotContains(t, w.Body.String(), "half")
		}
		fails = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotFound) }
		require.Equal(t, http.StatusNotFound, send(a, "GET", "/p").Code, "404 is no failure")
		fails = func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
		time.Sleep(5 * time.Second)
		require.Equal(t, http.StatusServiceUnavailable, send(a, "GET", "/p").Code, "the stale answer is too old")
	})
}

func TestWritesPurgeTheCache(t *testing.T) {
	t.Parallel()
	for status, purges := range map[int]bool{
		200: true, 201: true, 202: true, 204: true, 402: true, 409: true, 499: true, 500: true, 503: true,
		400: false, 401: false, 403: false, 404: false, 412: false, 422: false, 428: false, 429: false,
	} {
		a := newApp(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				w.WriteHeader(status)
			}
		})
		send(a, "GET", "/p")
		send(a, "POST", "/elsewhere")
		w := send(a, "GET", "/p")
		require.Equal(t, purges, w.Header().Get("Age") == "", "after %d", status)
	}
	a := newApp(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			panic(http.ErrAbortHandler)
		}
	})
	send(a, "GET", "/p")
	require.Panics(t, func() { send(a, "POST", "/p") })
	require.Empty(t, send(a, "GET", "/p").Header().Get("Age"), "the write may have happened without an answer")
}

// A read that began before a write and ends after it is answered, but not stored.
func TestAReadThatAWriteOvertakesIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := cache.New(cache.Options{Bytes: 1 << 20})
		h := c.Reads(slowApp(&calls))
		go send(h, "GET", "/p")
		time.Sleep(500 * time.Millisecond)
		c.Purge()
		require.Equal(t, "2", send(h, "GET", "/p").Body.String(), "the request does not wait for the one before the write")
		require.Equal(t, "2", send(h, "GET", "/p").Body.String(), "the earlier request does not replace the answer")
		go send(h, "GET", "/q")
		synctest.Wait()
		go func() {
			time.Sleep(500 * time.Millisecond)
			c.Purge()
		}()
		send(h, "GET", "/q") // waits for the overtaken request, and is then forwarded
		require.EqualValues(t, 4, calls.Load())
	})
}

// A client that reads after its write was answered sees the write, also under concurrent reads and writes.
func TestClientsReadTheirOwnWrites(t *testing.T) {
	t.Parallel()
	c := cache.New(cache.Options{Bytes: 1 << 20})
	var value atomic.Int64
	h := c.Writes(c.Reads(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			fmt.Fprint(w, value.Add(1))
			return
		}
		w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=60")
		fmt.Fprint(w, value.Load())
	})))
	read := func(method string) int64 {
		n, err := strconv.ParseInt(send(h, method, "/p").Body.String(), 10, 64)
		require.NoError(t, err)
		return n
	}
	var all sync.WaitGroup
	var hits atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 200 {
				written := read("POST")
				for range 5 {
					require.GreaterOrEqual(t, read("GET"), written)
				}
				if send(h, "GET", "/p").Header().Get("Age") != "" {
					hits.Add(1)
				}
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1600, value.Load())
	require.NotZero(t, hits.Load())
}
