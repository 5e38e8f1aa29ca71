package lifecycle

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measure adds gauges of what orders owe. Each replica derives them from the same log.
func (l *Lifecycle) measure(reg prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("lifecycles_in_progress", "Orders that owe a step: a decision, a capture, a refund or a release.",
		func() float64 {
			all, _, _ := l.owed.count()
			return float64(all)
		})
	gauge("orders_undecided", "Orders that are neither confirmed nor rejected, those being placed among them.",
		func() float64 {
			_, undecided, _ := l.owed.count()
			return float64(undecided)
		})
	gauge("orders_undecided_oldest_seconds", "Age of the oldest undecided order; 0 if there is none.",
		func() float64 {
			_, undecided, oldest := l.owed.count()
			if undecided == 0 {
				return 0
			}
			return max(l.Now().Sub(oldest), time.Duration(0)).Seconds()
		})
}
