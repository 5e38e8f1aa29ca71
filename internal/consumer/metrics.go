package consumer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"haberdash/internal/contract"
)

// otherLabel stands for all types without a handler, and for all logs that were not given to Follow: anybody who can
// publish may choose their names.
const otherLabel = "other"

// metrics measure a consumer. A nil *metrics measures nothing.
type metrics struct {
	types    map[string]typeMetrics // of the types that have a handler
	other    prometheus.Counter     // dead letters of other types
	duration *prometheus.HistogramVec
}

type typeMetrics struct {
	lag, handled prometheus.Observer
	deadLetters  prometheus.Counter
}

// Measure adds the metrics of the consumer to a registry. Call it before the first delivery.
func (c *Consumer) Measure(reg prometheus.Registerer) {
	r := promauto.With(reg)
	lag := r.NewHistogramVec(prometheus.HistogramOpts{
		Name: "event_lag_seconds", Help: "Time from the commit of an event until this app has handled it, by type.",
		Buckets: []float64{.01, .02, .03, .04, .05, .06, .08, .1, .15, .25, .5, 1, 5, 30, 120, 600},
	}, []string{"type"})
	deadLetters := r.NewCounterVec(prometheus.CounterOpts{
		Name: "consumer_dead_letters_total", Help: "Events that became dead letters, by type.",
	}, []string{"type"})
	m := &metrics{
		types: map[string]typeMetrics{}, other: deadLetters.WithLabelValues(otherLabel),
		duration: r.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "event_handler_duration_seconds",
			Help:    "Time of a call of a handler, by outcome: ok, failed, dead-letter. A batch of events is one call.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5, 20},
		}, []string{"type", "outcome"}),
	}
	for eventType := range c.o.Handlers {
		m.types[eventType] = typeMetrics{
			lag: lag.WithLabelValues(eventType), handled: m.duration.WithLabelValues(eventType, "ok"),
			deadLetters: deadLetters.WithLabelValues(eventType),
		}
	}
	c.metrics = m
	reg.MustRegister(newCollector(c))
}

// observeLag measures how old an event is that was handled.
func (m *metrics) observeLag(e contract.Event) {
	if m != nil {
		m.types[e.Type].lag.Observe(time.Since(e.At).Seconds())
	}
}

// observeCall measures a call of the handler of a type. final tells whether its error makes, or leaves, the event a
// dead letter.
func (m *metrics) observeCall(eventType string, started time.Time, err error, final bool) {
	if m == nil {
		return
	}
	took := time.Since(started).Seconds()
	switch {
	case err == nil:
		m.types[eventType].handled.Observe(took)
	case final:
		m.duration.WithLabelValues(eventType, "dead-letter").Observe(took)
	default:
		m.duration.WithLabelValues(eventType, "failed").Observe(took)
	}
}

// countDeadLetter counts an event that became a dead letter.
func (m *metrics) countDeadLetter(e contract.Event) {
	if m == nil {
		return
	}
	if t, ok := m.types[e.Type]; ok {
		t.deadLetters.Inc()
	} else {
		m.other.Inc()
	}
}

// collector reads the progress of a consumer at a scrape. It does not report what the process does not know yet.
type collector struct {
	consumer                           *Consumer
	position, events, age, deadLetters *prometheus.Desc
}

func newCollector(c *Consumer) *collector {
	desc := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, []string{"log"}, nil) }
	return &collector{
		consumer: c,
		position: desc("consumer_position", "Position up to which this app has handled a log, as far as this process knows."),
		events: desc("consumer_lag_events",
			"Events of a log that this app has not handled although it should have; 0 if it keeps up."),
		age: desc("consumer_lag_seconds",
			"Age of the first event that this app has not handled although it should have; 0 if it keeps up."),
		deadLetters: desc("consumer_dead_letters", "Dead letters that are neither replayed nor discarded."),
	}
}

func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.position, c.events, c.age, c.deadLetters} {
		descs <- d
	}
}

func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, label string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, label)
	}
	report := func(p progress, label string) {
		if p.polled {
			gauge(c.events, float64(p.events), label)
			gauge(c.age, p.age.Seconds(), label)
		}
		if p.counted {
			gauge(c.deadLetters, float64(p.deadLetters), label)
		}
	}
	var others progress
	for _, r := range c.consumer.openReaders() {
		p := r.progress()
		if !p.followed {
			others.add(p)
			continue
		}
		report(p, labelOf(r.log))
		if p.loaded {
			gauge(c.position, float64(p.position), labelOf(r.log))
		}
	}
	report(others, otherLabel)
}

// add adds the progress in another log. The age is that of the oldest event.
func (p *progress) add(other progress) {
	p.polled, p.counted = p.polled || other.polled, p.counted || other.counted
	p.events += other.events
	p.age = max(p.age, other.age)
	p.deadLetters += other.deadLetters
}

// labelOf is the name of a log, with its owner if that has another name.
func labelOf(log Log) string {
	if log.Source == log.Partition {
		return log.Partition
	}
	return log.Source + "/" + log.Partition
}
