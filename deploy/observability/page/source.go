package page

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"haberdash/deploy/observability/boards"
)

const (
	patience = 3 * time.Second // for the answers of Prometheus to one request for the page
	fresh    = 2 * time.Second // an answer of this age is shown again
	parallel = 4               // queries at a time: Prometheus has other work
	points   = 120             // of a picture
)

// source asks Prometheus for what panels show, and remembers the last answers: a page that several people look at costs
// no more than one, and while Prometheus does not answer, the page shows what was known last.
type source struct {
	api      prometheus.API
	slots    chan struct{}
	patience time.Duration

	mu     sync.Mutex
	panels map[panelKey]*answer
	alerts alertAnswer
}

type panelKey struct {
	board, panel string
	span         time.Duration
}

// answer is the last answer for a panel.
type answer struct {
	asking bool // a query is under way, and no second is sent
	at     time.Time
	series []series
	err    error // of the last query; series are then older
}

// series is a line: a value for each time, NaN where there is none.
type series struct {
	name   string
	values []float64
}

// last is the value at the end, or NaN.
func (s series) last() float64 { return s.values[len(s.values)-1] }

type alertAnswer struct {
	asking bool
	at     time.Time
	alerts []prometheus.Alert
	err    error
}

func newSource(address string) (*source, error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return nil, err
	}
	return &source{api: prometheus.NewAPI(client), slots: make(chan struct{}, parallel), patience: patience,
		panels: map[panelKey]*answer{}}, nil
}

// refresh asks for everything on a board that is not fresh. It returns when all is answered or patience ends, whichever
// is first; what comes later is shown the next time.
func (s *source) refresh(b boards.Board, span time.Duration, now time.Time) {
	// Not the context of a request: another client may wait for the same answer.
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	var asked sync.WaitGroup
	for _, r := range b.Rows {
		for _, p := range r.Panels {
			key := panelKey{b.UID, p.Title, span}
			if s.begin(key, now) {
				asked.Go(func() { s.end(key, now)(s.ask(ctx, p, span, now)) })
			}
		}
	}
	if s.beginAlerts(now) {
		asked.Go(func() {
			found, err := s.api.Alerts(ctx)
			s.mu.Lock()
			defer s.mu.Unlock()
			s.alerts.asking, s.alerts.err = false, err
			if err == nil {
				s.alerts.at, s.alerts.alerts = now, found.Alerts
			}
		})
	}
	done := make(chan struct{})
	go func() {
		asked.Wait()
		cancel()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// begin reports whether a panel's query is to be sent.
func (s *source) begin(key panelKey, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.panels[key]
	if a == nil {
		a = &answer{}
		s.panels[key] = a
	}
	if a.asking || a.err == nil && now.Sub(a.at) < fresh {
		return false
	}
	a.asking = true
	return true
}

func (s *source) end(key panelKey, now time.Time) func([]series, error) {
	return func(found []series, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		a := s.panels[key]
		a.asking, a.err = false, err
		if err == nil {
			a.at, a.series = now, found
		}
	}
}

func (s *source) beginAlerts(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alerts.asking || s.alerts.err == nil && now.Sub(s.alerts.at) < fresh {
		return false
	}
	s.alerts.asking = true
	return true
}

// panel returns what is known for a panel.
func (s *source) panel(key panelKey) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.panels[key]; a != nil {
		return *a
	}
	return answer{}
}

func (s *source) firing() alertAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alerts
}

// ask sends the queries of a panel one after the other.
func (s *source) ask(ctx context.Context, p boards.Panel, span time.Duration, now time.Time) ([]series, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	step := max(span/points, 5*time.Second)
	to := now.Truncate(step)
	window := prometheus.Range{Start: to.Add(-span), End: to, Step: step}
	var all []series
	for _, q := range p.Queries {
		value, _, _, err := s.api.QueryRange(ctx, q.PromQL(max(time.Minute, 2*step)), window)
		if err != nil {
			return nil, err
		}
		matrix, ok := value.(model.Matrix)
		if !ok {
			return nil, fmt.Errorf("an answer of type %s", value.Type())
		}
		for _, stream := range matrix {
			all = append(all, lineOf(stream, q.Legend, window))
		}
	}
	// The largest first: they are the ones that have a colour of their own.
	slices.SortStableFunc(all, func(a, b series) int {
		return cmp.Or(cmp.Compare(mean(b), mean(a)), cmp.Compare(a.name, b.name))
	})
	return all, nil
}

// lineOf puts samples at the places of their times.
func lineOf(stream *model.SampleStream, legend string, window prometheus.Range) series {
	n := int(window.End.Sub(window.Start)/window.Step) + 1
	s := series{name: named(legend, stream.Metric), values: make([]float64, n)}
	for i := range s.values {
		s.values[i] = math.NaN()
	}
	for _, sample := range stream.Values {
		if i := int(sample.Timestamp.Time().Sub(window.Start) / window.Step); i >= 0 && i < n {
			s.values[i] = float64(sample.Value)
		}
	}
	return s
}

func mean(s series) float64 {
	sum, n := 0.0, 0
	for _, v := range s.values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(max(n, 1))
}

var labelReference = regexp.MustCompile(`{{(\w+)}}`)

// named is the name of a series: its legend with the values of labels.
func named(legend string, labels model.Metric) string {
	name := labelReference.ReplaceAllStringFunc(legend, func(reference string) string {
		return string(labels[model.LabelName(strings.Trim(reference, "{}"))])
	})
	return strings.TrimSpace(name)
}

// plain says in plain words why Prometheus gave no answer.
func plain(err error) string {
	var refused *net.OpError
	var said *prometheus.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.As(err, &refused):
		return "nothing listens at that address, or it cannot be reached"
	case errors.As(err, &said) && said.Type == prometheus.ErrBadData:
		return "it does not understand the expression: " + said.Msg
	case errors.As(err, &said):
		return "its answer is no answer of Prometheus, or an error: " + said.Msg
	}
	return err.Error()
}
