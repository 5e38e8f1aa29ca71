package projection

import "github.com/prometheus/client_golang/prometheus"

// collector reads the metrics of a projection at a scrape. It reports none until the projection knows its cursor,
// because a position of 0 would look like a lag.
type collector struct {
	projection    *Projection
	position, lag *prometheus.Desc
}

// Measure adds the metrics of the projection to a registry.
func (p *Projection) Measure(reg prometheus.Registerer) {
	label := prometheus.Labels{"projection": p.log.Name() + "/" + p.name}
	reg.MustRegister(&collector{
		projection: p,
		position: prometheus.NewDesc("projection_position", "Commit up to which the documents include the log.",
			nil, label),
		lag: prometheus.NewDesc("projection_lag_commits", "Commits of the log that the documents do not include yet.",
			nil, label),
	})
}

func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.position
	descs <- c.lag
}

func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	applied, started := c.projection.progress()
	if !started {
		return
	}
	head := max(c.projection.log.Head(), applied) // the documents may include commits that this process has not read
	metrics <- prometheus.MustNewConstMetric(c.position, prometheus.GaugeValue, float64(applied))
	metrics <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, float64(head-applied))
}

// progress returns the commit up to which the documents include the log, once Run knows it.
func (p *Projection) progress() (applied uint64, started bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied, p.started
}
