package search

import "github.com/prometheus/client_golang/prometheus"

// newSeconds makes the metrics of an index, and returns the one that searches observe. The library does not tell how
// much memory the index has.
func newSeconds(reg prometheus.Registerer, x *Index) prometheus.Observer {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "search_duration_seconds", Help: "Time of a search, with the wait for changes that are not indexed yet.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	})
	documents := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "search_index_documents", Help: "Products in the search index.",
	}, func() float64 {
		n, _ := x.index.DocCount() // it fails only if the index is closed
		return float64(n)
	})
	reg.MustRegister(seconds, documents)
	return seconds
}
