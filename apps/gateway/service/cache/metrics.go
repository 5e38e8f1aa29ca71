package cache

import "github.com/prometheus/client_golang/prometheus"

// metrics count what the cache does with requests.
type metrics struct{ hits, stale, collapsed, misses, bypassed, purges prometheus.Counter }

func newMetrics(reg prometheus.Registerer, c *Cache) metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "http_cache_requests_total",
		Help: "Reads of cacheable addresses, by result: hit, stale, collapsed (waited for an equal one), miss, bypass.",
	}, []string{"result"})
	purges := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "http_cache_purges_total", Help: "Writes after which all cached answers were dropped.",
	})
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "http_cache_bytes", Help: "Memory of the cached answers, purged ones among them.",
	}, func() float64 { return float64(c.entries.WeightedSize()) })
	reg.MustRegister(requests, purges, bytes)
	return metrics{
		hits: requests.WithLabelValues("hit"), stale: requests.WithLabelValues("stale"),
		collapsed: requests.WithLabelValues("collapsed"), misses: requests.WithLabelValues("miss"),
		bypassed: requests.WithLabelValues("bypass"), purges: purges,
	}
}
