package hasher

import "github.com/prometheus/client_golang/prometheus"

// Measure registers the gauges hashes_waiting and hashes_in_progress.
func (h *Hasher) Measure(reg prometheus.Registerer) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hashes_waiting", Help: "Requests that wait for a slot to hash a password.",
	}, func() float64 { return float64(h.waiting.Load()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hashes_in_progress", Help: "Passwords that are being hashed.",
	}, func() float64 { return float64(h.running.Load()) }))
}
