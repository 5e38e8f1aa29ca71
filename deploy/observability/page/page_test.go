package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/deploy/observability/boards"
)

// fake is a Prometheus that knows three series of every expression, and the alerts that a test gives it.
func fake(t *testing.T, label string, alerts ...map[string]any) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := map[string]any{"alerts": append([]map[string]any{}, alerts...)}
		if strings.HasSuffix(r.URL.Path, "/query_range") {
			from, _ := strconv.ParseFloat(r.FormValue("start"), 64)
			var result []any
			for i := range 3 {
				var values []any
				for n := range 20 {
					values = append(values, []any{from + float64(n*60), strconv.Itoa(i + n)})
				}
				labels := map[string]string{"app": label + strconv.Itoa(i), "outcome": label + strconv.Itoa(i)}
				result = append(result, map[string]any{"metric": labels, "values": values})
			}
			data = map[string]any{"resultType": "matrix", "result": result}
		}
		w.Header().Set("Content-Type", "application/json")
		require.NoError(t, json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": data}))
	}))
	t.Cleanup(s.Close)
	return s
}

// get requests a path of a page that reads from a Prometheus.
func get(t *testing.T, prometheus, path string) (int, string) {
	t.Helper()
	s, err := newServer(prometheus)
	require.NoError(t, err)
	return ask(s.handler(), path)
}

func ask(h http.Handler, path string) (int, string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host = "127.0.0.1:8090"
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestEachBoardShowsItsPanels(t *testing.T) {
	t.Parallel()
	prometheus := fake(t, "x")
	for _, b := range []boards.Board{boards.Shop(), boards.Placement(), boards.CommitLog(), boards.Stores()} {
		code, text := get(t, prometheus.URL, "/"+b.UID+"?span=1h")
		require.Equal(t, http.StatusOK, code)
		panels := 0
		for _, r := range b.Rows {
			for _, p := range r.Panels {
				require.Contains(t, text, "<figcaption>"+p.Title+"</figcaption>")
				panels++
			}
		}
		require.Equal(t, panels, strings.Count(text, "<svg"), "every panel has a picture")
		require.NotContains(t, text, "No data")
		require.Contains(t, text, "No alert fires.")
	}
}

// A shop without Redis needs no row about Redis.
func TestRowsAboutServersThatAreNotThereAreLeftOut(t *testing.T) {
	t.Parallel()
	known := fake(t, "x")
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.FormValue("query"), "redis_") {
			fmt.Fprint(w, `{"status": "success", "data": {"resultType": "matrix", "result": []}}`)
			return
		}
		known.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(prometheus.Close)
	_, text := get(t, prometheus.URL, "/haberdash-stores?span=1h")
	require.NotContains(t, text, "<h2>Redis</h2>")
	require.Contains(t, text, "<h2>PostgreSQL</h2>")
	require.NotContains(t, text, "No data")
}

// The content security policy forbids style attributes, and a colour of the library would be wrong on a dark page.
func TestPicturesTakeTheirColoursFromTheStyleSheet(t *testing.T) {
	t.Parallel()
	code, text := get(t, fake(t, "x").URL, "/haberdash-shop/panels")
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, text, "style=")
	require.NotRegexp(t, `rgba?\(`, text)
	css, err := assets.ReadFile("assets/style.css")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, v := range regexp.MustCompile(`var\((--[a-z0-9]+)\)`).FindAllStringSubmatch(text, -1) {
		require.Equal(t, 2, strings.Count(string(css), v[1]+":"), "%s has a light and a dark value", v[1])
		used[v[1]] = true
	}
	require.Subset(t, used, map[string]bool{"--axis": true, "--grid": true, "--quiet": true, "--c0": true, "--c2": true})
}

func TestAlertsStandFirstAndPagesBeforeTickets(t *testing.T) {
	t.Parallel()
	firing := func(name, severity, state string) map[string]any {
		return map[string]any{"state": state, "activeAt": time.Now().Add(-time.Minute), "value": "1",
			"labels":      map[string]string{"alertname": name, "severity": severity, "app": "orders"},
			"annotations": map[string]string{"summary": "Summary of " + name + ".", "runbook_url": "docs/runbooks/x.md"}}
	}
	code, text := get(t, fake(t, "x", firing("Third", "page", "pending"), firing("Second", "ticket", "firing"),
		firing("Second", "ticket", "firing"), firing("First", "page", "firing")).URL, "/haberdash-shop")
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, text, "No alert fires.")
	last := 0
	for _, part := range []string{
		`alert page"><b>First`, `alert ticket"><b>Second`, `alert pending"><b>Third`, "<section>",
	} {
		i := strings.Index(text, part)
		require.Greater(t, i, last, part)
		last = i
	}
	require.Contains(t, text, "Summary of First.")
	require.Equal(t, 1, strings.Count(text, "and 1 more like it"))
	require.Contains(t, text, "app=orders")
	require.Contains(t, text, "docs/runbooks/x.md")
}

// Labels come from other programs.
func TestTextOfOthersIsEscaped(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert("1")</script>`
	alert := map[string]any{"state": "firing", "activeAt": time.Now(), "value": "1",
		"labels": map[string]string{"alertname": evil, "x": evil}, "annotations": map[string]string{"summary": evil}}
	code, text := get(t, fake(t, evil, alert).URL, "/haberdash-shop")
	require.Equal(t, http.StatusOK, code)
	require.NotContains(t, text, "<script>alert")
	require.Contains(t, text, "&lt;script&gt;")
}

func TestThePageSaysWhyItHasNoData(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for address, want := range map[string]string{
		gone.URL:  "nothing listens at that address",
		other.URL: "its answer is no answer of Prometheus",
	} {
		code, text := get(t, address, "/haberdash-shop")
		require.Equal(t, http.StatusOK, code)
		require.Contains(t, text, "No new data from "+address)
		require.Contains(t, text, want)
		require.NotContains(t, text, "No alert fires.")
	}
}

// hanging is a Prometheus that receives queries and answers none until the test ends. It counts them.
type hanging struct {
	*httptest.Server
	mu      sync.Mutex
	queries map[string]int
}

func newHanging(t *testing.T) *hanging {
	h := &hanging{queries: map[string]int{}}
	end := make(chan struct{})
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.queries[r.URL.Path+r.FormValue("query")]++
		h.mu.Unlock()
		<-end
	}))
	t.Cleanup(func() { close(end); h.Close() })
	return h
}

func TestAPrometheusThatHangsIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	prometheus := newHanging(t)
	s, err := newServer(prometheus.URL)
	require.NoError(t, err)
	s.source.patience = 300 * time.Millisecond
	code, text := ask(s.handler(), "/haberdash-shop")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, "No new data from "+prometheus.URL)
	require.Eventually(t, func() bool {
		_, text := ask(s.handler(), "/haberdash-shop")
		return strings.Contains(text, "it did not answer in time")
	}, 30*time.Second, 10*time.Millisecond)
}

// Ten people at the page, or one who reloads it, are no ten queries for a panel.
func TestManyClientsSendOneQueryForEachPanel(t *testing.T) {
	t.Parallel()
	prometheus := newHanging(t)
	s, err := newServer(prometheus.URL)
	require.NoError(t, err)
	s.source.patience, s.source.slots = time.Minute, make(chan struct{}, 100)
	want := 1 // the alerts
	for _, r := range s.boards[0].Rows {
		want += len(r.Panels)
	}
	go ask(s.handler(), "/haberdash-shop") // it ends with the test
	sent := func() int {
		prometheus.mu.Lock()
		defer prometheus.mu.Unlock()
		n := 0
		for _, times := range prometheus.queries {
			n += times
		}
		return n
	}
	require.Eventually(t, func() bool { return sent() == want }, 30*time.Second, 10*time.Millisecond)
	for _, r := range s.boards[0].Rows {
		for _, p := range r.Panels {
			require.False(t, s.source.begin(panelKey{s.boards[0].UID, p.Title, spans[0].is}, time.Now()), p.Title)
		}
	}
	require.False(t, s.source.beginAlerts(time.Now()))
}

func TestWhatWasKnownStaysWhilePrometheusIsAway(t *testing.T) {
	t.Parallel()
	prometheus := fake(t, "x")
	s, err := newServer(prometheus.URL)
	require.NoError(t, err)
	_, text := ask(s.handler(), "/haberdash-shop")
	known := strings.Count(text, "<svg")
	prometheus.Close()
	s.now = func() time.Time { return time.Now().Add(time.Minute) }
	_, text = ask(s.handler(), "/haberdash-shop")
	require.Contains(t, text, "Not renewed: nothing listens at that address")
	require.Equal(t, known, strings.Count(text, "<svg"))
}

func TestThePageIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	s, err := newServer(fake(t, "x").URL)
	require.NoError(t, err)
	for host, want := range map[string]int{
		"127.0.0.1:8090": 200, "localhost:8090": 200, "[::1]:8090": 200, "evil.example": 421, "evil.example:8090": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/haberdash-shop", nil)
		r.Host = host
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
		if want == 200 {
			require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
		}
	}
}

func TestUnknownBoardsAndSpans(t *testing.T) {
	t.Parallel()
	prometheus := fake(t, "x")
	code, _ := get(t, prometheus.URL, "/haberdash-nothing")
	require.Equal(t, http.StatusNotFound, code)
	code, text := get(t, prometheus.URL, "/haberdash-shop?span=9999h")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, text, `data-address="/haberdash-shop/panels?span=15m"`)
	code, _ = get(t, prometheus.URL, "/")
	require.Equal(t, http.StatusFound, code)
}

func TestTheAxisEndsAtARoundValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit boards.Unit
		top  float64
		want string
	}{
		{boards.Count, 0, "1"}, {boards.Count, 3.9, "4"}, {boards.Count, 4, "4"}, {boards.Count, 4.1, "8"},
		{boards.Count, 17, "20"}, {boards.Seconds, 0.031, "40 ms"}, {boards.Ratio, 0.0007, "0.08 %"},
		{boards.Bytes, 43 << 20, "80 MiB"}, {boards.Bytes, 900, "1000 B"}, {boards.PerSecond, 2300, "4k/s"},
	} {
		require.Equal(t, c.want, c.unit.Format(ceiling(c.unit, c.top)), fmt.Sprint(c))
	}
}
