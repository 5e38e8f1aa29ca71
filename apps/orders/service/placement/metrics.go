package placement

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stages measures the stages of a placement in the buyer's request.
type Stages struct{ quote, read, record, reserve, authorise, decide prometheus.Observer }

// NewStages makes the histogram order_placement_stage_duration_seconds.
func NewStages(reg prometheus.Registerer) *Stages {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "order_placement_stage_duration_seconds",
		Help:    "Time of each stage of a placement; quote and read run at the same time, the others one after the other.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"stage"})
	reg.MustRegister(seconds)
	return &Stages{
		quote: seconds.WithLabelValues("quote"), read: seconds.WithLabelValues("read"),
		record: seconds.WithLabelValues("record"), reserve: seconds.WithLabelValues("reserve"),
		authorise: seconds.WithLabelValues("authorise"), decide: seconds.WithLabelValues("decide"),
	}
}

// stopwatch times stages that follow each other; if it is not running, it observes nothing.
type stopwatch struct {
	running bool
	since   time.Time
}

// lap observes the time since the start or the last lap.
func (w *stopwatch) lap(stage prometheus.Observer) {
	if !w.running {
		return
	}
	now := time.Now()
	stage.Observe(now.Sub(w.since).Seconds())
	w.since = now
}
