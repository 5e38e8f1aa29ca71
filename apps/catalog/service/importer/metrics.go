package importer

import (
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/fault"
)

// metrics count files and what is in them.
type metrics struct{ files, rows *prometheus.CounterVec }

func newMetrics(reg prometheus.Registerer) metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	m := metrics{
		files: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imports_total",
			Help: "Files of products: imported (to their end), refused (no such file can be imported), failed (for now).",
		}, []string{"outcome"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "import_rows_total",
			Help: "Products of files that were created, updated or unchanged, and rows that failed.",
		}, []string{"outcome"}),
	}
	reg.MustRegister(m.files, m.rows)
	for _, outcome := range []string{"imported", "refused", "failed"} {
		m.files.WithLabelValues(outcome)
	}
	m.count(importReport{}) // the series exist from the start
	return m
}

// count counts the rows of a report.
func (m metrics) count(r importReport) {
	m.rows.WithLabelValues("created").Add(float64(r.Created))
	m.rows.WithLabelValues("updated").Add(float64(r.Updated))
	m.rows.WithLabelValues("unchanged").Add(float64(r.Unchanged))
	m.rows.WithLabelValues("failed").Add(float64(r.Failed))
}

// end counts a file whose import has ended with an error or nil.
func (m metrics) end(err error) {
	outcome := "imported"
	switch {
	case err == nil:
	case fault.Of(err).Kind.Status() < 500:
		outcome = "refused"
	default:
		outcome = "failed"
	}
	m.files.WithLabelValues(outcome).Inc()
}
