package cache

import "github.com/prometheus/client_golang/prometheus"

// figures count what the cache does.
type figures struct{ hits, stale, collapsed, misses, bypassed, purges prometheus.Counter }

func newFigures(reg prometheus.Registerer, c *Cache) figures {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_cache_requests_total", Help: "Reads of cacheable addresses, by what the cache did: hit, stale, collapsed (waited for an equal one), miss, bypass.",
	}, []string{"result"})
	purges := prometheus.NewCounter(prometheus.CounterOpts{Name: "http_cache_purges_total", Help: "Writes after which all answers were forgotten."})
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "http_cache_bytes", Help: "What the kept answers take, forgotten ones among them."},
		func() float64 { return float64(c.entries.WeightedSize()) })
	reg.MustRegister(requests, purges, bytes)
	return figures{
		hits: requests.WithLabelValues("hit"), stale: requests.WithLabelValues("stale"), collapsed: requests.WithLabelValues("collapsed"),
		misses: requests.WithLabelValues("miss"), bypassed: requests.WithLabelValues("bypass"), purges: purges,
	}
}
