package service

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/readmodel"
)

// outcomes count the decisions that this process has committed: of several replicas, one counts each.
type outcomes struct {
	confirmed prometheus.Counter
	rejected  map[string]prometheus.Counter // by reason
	other     prometheus.Counter            // rejections for a reason that this release does not know
}

func newOutcomes(reg prometheus.Registerer) outcomes {
	placed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orders_placed_total", Help: "Orders that were decided, by outcome and by the reason of a rejection.",
	}, []string{"outcome", "reason"})
	reg.MustRegister(placed)
	o := outcomes{
		confirmed: placed.WithLabelValues("confirmed", "none"), other: placed.WithLabelValues("rejected", "other"),
		rejected: map[string]prometheus.Counter{},
	}
	for _, reason := range order.RejectionReasons {
		o.rejected[reason] = placed.WithLabelValues("rejected", reason)
	}
	return o
}

func (o outcomes) count(c readmodel.Change) {
	switch {
	case !c.Own || !c.Decided:
	case c.Rejection == "":
		o.confirmed.Inc()
	default:
		if reason, known := o.rejected[c.Rejection]; known {
			reason.Inc()
		} else {
			o.other.Inc()
		}
	}
}

// countOutcomes counts the decisions from now on.
func (s *Service) countOutcomes(ctx context.Context) error {
	return s.readModel.SubscribeToChanges(ctx, s.outcomes.count)
}
