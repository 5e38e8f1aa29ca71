// Package page serves dashboards of package boards without Grafana: it asks Prometheus, draws the panels as SVG, and
// renews them every few seconds. It is meant for the machine of a developer, on the loopback interface.
package page

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"log/slog"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"haberdash/deploy/observability/boards"
)

//go:embed assets
var assets embed.FS

var templates = template.Must(template.ParseFS(assets, "assets/*.html"))

// spans are the times that a client may choose to look back.
var spans = []struct {
	Name string
	is   time.Duration
}{{"15m", 15 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}, {"24h", 24 * time.Hour}}

type server struct {
	source     *source
	prometheus string
	boards     []boards.Board
	now        func() time.Time
}

// New returns a handler that shows what the Prometheus at an address (a URL) knows.
func New(prometheus string) (http.Handler, error) {
	s, err := newServer(prometheus)
	if err != nil {
		return nil, err
	}
	return s.handler(), nil
}

func newServer(prometheus string) (*server, error) {
	src, err := newSource(prometheus)
	return &server{source: src, prometheus: prometheus, now: time.Now,
		boards: []boards.Board{boards.Shop(), boards.Placement(), boards.CommitLog(), boards.Stores()}}, err
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/"+s.boards[0].UID, http.StatusFound)
	})
	mux.HandleFunc("GET /{board}", s.show("page.html"))
	mux.HandleFunc("GET /{board}/panels", s.show("panels.html"))
	mux.Handle("GET /assets/style.css", http.FileServerFS(assets))
	mux.Handle("GET /assets/live.js", http.FileServerFS(assets))
	return guarded(mux)
}

// guarded refuses requests for another host, so that a website cannot read the page by pointing its name at this
// machine, and allows the browser nothing but what the page has.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		host = strings.Trim(host, "[]")
		if ip := net.ParseIP(host); ip == nil && host != "localhost" {
			http.Error(w, "open this page by an IP address or as localhost", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// The data of the templates.
type (
	view struct {
		Prometheus string
		Boards     []link
		Spans      []link
		Board      boards.Board
		Address    string // of the panels
		Trouble    string // why nothing new is known
		Alerts     []alert
		Silent     bool // no alert fires
		Rows       []row
		At         string
	}
	link struct {
		Name, Address string
		Here          bool
	}
	alert struct {
		Name, Severity, Summary, Labels, Runbook, Since string
		Pending                                         bool
		More                                            int // alerts of the same name
	}
	row struct {
		Title  string
		Layout string // a class of the style sheet
		Panels []panel
	}
	panel struct {
		Title, Description string
		Trouble            string
		Value              string
		Bad                bool
		Picture            template.HTML
		Legend             []entry
		More               int
	}
	entry struct {
		Colour      int
		Name, Value string
	}
)

func (s *server) show(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(s.boards, func(b boards.Board) bool { return b.UID == r.PathValue("board") })
		if i < 0 {
			http.NotFound(w, r)
			return
		}
		span := spans[0]
		for _, other := range spans {
			if other.Name == r.URL.Query().Get("span") {
				span = other
			}
		}
		s.source.refresh(s.boards[i], span.is, s.now())
		v := s.view(s.boards[i], span.Name, span.is)
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, name, v); err != nil {
			slog.Error("the page cannot be rendered", "error", err)
			http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = b.WriteTo(w)
	}
}

func (s *server) view(b boards.Board, spanName string, span time.Duration) view {
	v := view{Prometheus: s.prometheus, Board: b, Address: "/" + b.UID + "/panels?span=" + spanName,
		At: s.now().Format("15:04:05")}
	for _, other := range s.boards {
		v.Boards = append(v.Boards, link{other.Title, "/" + other.UID + "?span=" + spanName, other.UID == b.UID})
	}
	for _, other := range spans {
		v.Spans = append(v.Spans, link{other.Name, "/" + b.UID + "?span=" + other.Name, other.Name == spanName})
	}
	known := s.source.firing()
	if known.err != nil || known.asking {
		v.Trouble = "it has not answered yet"
		if known.err != nil {
			v.Trouble = plain(known.err)
		}
	}
	for _, a := range known.alerts {
		v.Alerts = append(v.Alerts, s.alert(string(a.State), a.ActiveAt, labelsOf(a.Labels), labelsOf(a.Annotations)))
	}
	slices.SortFunc(v.Alerts, func(a, b alert) int {
		return cmp.Or(boolOrder(a.Pending, b.Pending), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Labels, b.Labels))
	})
	v.Alerts = grouped(v.Alerts)
	v.Silent = v.Trouble == "" && !slices.ContainsFunc(v.Alerts, func(a alert) bool { return !a.Pending })
	for _, r := range b.Rows {
		out, used := row{Title: r.Title, Layout: layout(r)}, false
		for _, p := range r.Panels {
			known := s.source.panel(panelKey{b.UID, p.Title, span})
			used = used || p.Server == "" || known.err != nil || len(known.series) > 0
			out.Panels = append(out.Panels, s.panel(p, known, span))
		}
		if used { // not about a server that the shop does not have
			v.Rows = append(v.Rows, out)
		}
	}
	return v
}

// layout says how many panels stand side by side, so that none is left alone in its line.
func layout(r boards.Row) string {
	n := len(r.Panels)
	switch {
	case r.Panels[0].Kind == boards.Stat:
		return "stats"
	case n%3 == 0 || n == 5:
		return "pictures thirds"
	case n%4 == 0:
		return "pictures quarters"
	}
	return "pictures"
}

func (s *server) panel(p boards.Panel, known answer, span time.Duration) panel {
	out := panel{Title: p.Title, Description: p.Description}
	if known.err != nil {
		out.Trouble = "Not renewed: " + plain(known.err) + "."
	}
	if len(known.series) == 0 {
		if known.err == nil && !known.at.IsZero() {
			out.Trouble = "No data yet."
		}
		return out
	}
	var err error
	if p.Kind == boards.Stat {
		first := known.series[0]
		v := first.last()
		out.Value = p.Unit.Format(v)
		out.Bad = p.Above != nil && v > *p.Above || p.Below != nil && v < *p.Below
		out.Picture, err = sparkline(first)
	} else {
		out.Picture, err = picture(p, known.series, known.at, span)
		for i, line := range known.series[:min(len(known.series), colours)] {
			out.Legend = append(out.Legend, entry{i, line.name, p.Unit.Format(line.last())})
		}
		out.More = max(0, len(known.series)-colours)
	}
	if err != nil {
		slog.Error("a panel cannot be drawn", "panel", p.Title, "error", err)
		out.Trouble = "This panel cannot be drawn."
	}
	return out
}

func (s *server) alert(state string, since time.Time, labels, annotations map[string]string) alert {
	a := alert{Name: labels["alertname"], Severity: labels["severity"], Summary: annotations["summary"],
		Runbook: annotations["runbook_url"], Pending: state == "pending",
		Since: boards.Seconds.Format(math.Round(s.now().Sub(since).Seconds()))}
	var shown []string
	for name, value := range labels {
		if name != "alertname" && name != "severity" {
			shown = append(shown, name+"="+value)
		}
	}
	slices.Sort(shown)
	a.Labels = strings.Join(shown, ", ")
	return a
}

// grouped leaves one of neighbours with the same name and severity, which says how many there are. An app that is down
// has more to say than fits on a page.
func grouped(alerts []alert) (some []alert) {
	for _, a := range alerts {
		if n := len(some); n > 0 && some[n-1].Name == a.Name && some[n-1].Severity == a.Severity &&
			some[n-1].Pending == a.Pending {
			some[n-1].More++
			continue
		}
		some = append(some, a)
	}
	return some
}

func labelsOf[K, V ~string](set map[K]V) map[string]string {
	plain := map[string]string{}
	for k, v := range set {
		plain[string(k)] = string(v)
	}
	return plain
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
