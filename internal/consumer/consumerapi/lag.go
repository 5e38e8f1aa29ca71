package consumerapi

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
)

// Measure adds the histogram event_lag_seconds: the time from the commit of an event until the app has handled it, by
// event type. Call it before the first delivery.
func Measure(reg prometheus.Registerer, c *consumer.Consumer) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "event_lag_seconds", Help: "Time from the commit of an event until this app has handled it, by type.",
		Buckets: []float64{.01, .02, .03, .04, .05, .06, .08, .1, .15, .25, .5, 1, 5, 30, 120, 600},
	}, []string{"type"})
	reg.MustRegister(seconds)
	c.OnHandled(func(e contract.Event) { seconds.WithLabelValues(e.Type).Observe(time.Since(e.At).Seconds()) })
}
