package service

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/invariants"
)

// metrics are what the watcher has checked and found.
type metrics struct {
	checks   map[int]prometheus.Counter // by invariant
	lastRun  map[int]prometheus.Gauge   // by invariant
	position *prometheus.GaugeVec
	failures *prometheus.CounterVec
	skipped  prometheus.Counter
	open     prometheus.Gauge
	closed   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, count func(invariant int) int) *metrics {
	m := &metrics{checks: map[int]prometheus.Counter{}, lastRun: map[int]prometheus.Gauge{}}
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "haberdash_invariant_checks_total", Help: "Checks of an invariant, of one order, event, consumer or app each.",
	}, []string{"invariant"})
	lastRun := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "haberdash_invariant_last_check_timestamp_seconds",
		Help: "Unix time at which the watcher had last checked an invariant completely.",
	}, []string{"invariant"})
	for _, n := range invariants.All {
		label := strconv.Itoa(n)
		m.checks[n], m.lastRun[n] = checks.WithLabelValues(label), lastRun.WithLabelValues(label)
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "haberdash_invariant_violations", Help: "Violations of an invariant that stand.",
			ConstLabels: prometheus.Labels{"invariant": label},
		}, func() float64 { return float64(count(n)) }))
	}
	m.position = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "watcher_position", Help: "Position in the feed of a log up to which the watcher has read.",
	}, []string{"log"})
	m.failures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watcher_failed_calls_total", Help: "Calls of an app that failed; the watcher repeats them.",
	}, []string{"app"})
	m.skipped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watcher_histories_skipped_total", Help: "Orders whose payments were not compared, to spare the app orders.",
	})
	orders := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "watcher_orders", Help: "Orders that the watcher remembers: open ones with their details.",
	}, []string{"state"})
	m.open, m.closed = orders.WithLabelValues("open"), orders.WithLabelValues("closed")
	reg.MustRegister(checks, lastRun, m.position, m.failures, m.skipped, orders)
	return m
}

func (m *metrics) sizes(open, closed int) {
	m.open.Set(float64(open))
	m.closed.Set(float64(closed))
}

// ran records that invariants were checked completely.
func (m *metrics) ran(now time.Time, list ...int) {
	for _, n := range list {
		m.lastRun[n].Set(float64(now.UnixNano()) / 1e9)
	}
}
