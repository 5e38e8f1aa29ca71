package routes

import "github.com/prometheus/client_golang/prometheus"

// replays count the repeated requests that were answered from what exists, by operation.
type replays struct{ place, fulfilment, returns, refund prometheus.Counter }

func newReplays(reg prometheus.Registerer) replays {
	counts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "order_replays_total", Help: "Repeated requests that got the answer of the first request with their key.",
	}, []string{"operation"})
	reg.MustRegister(counts)
	return replays{
		place: counts.WithLabelValues("place"), fulfilment: counts.WithLabelValues("fulfilment"),
		returns: counts.WithLabelValues("return"), refund: counts.WithLabelValues("refund"),
	}
}
