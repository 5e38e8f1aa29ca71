package commitlog

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics measure one log. A nil *metrics measures nothing.
type metrics struct {
	eventsPublished       prometheus.Gauge
	checkpointFailures    prometheus.Counter
	checkpointSuccess     prometheus.Gauge
	commands, wait        prometheus.Observer
	written, lost, failed prometheus.Observer // durations of writes, by outcome
}

// seconds are the limits of the buckets for waiting and writing: a put takes about two milliseconds, and the writer
// gives up after about two seconds.
var seconds = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}

// newMetrics registers the metrics of a log with the label log. Gauges of what the partition has in memory are read at
// a scrape.
func newMetrics[S any](reg prometheus.Registerer, p *Partition[S]) *metrics {
	if reg == nil {
		return nil
	}
	r := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"log": p.name}, reg))
	gauge := func(name, help string, read func() float64) {
		r.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	gauge("log_head", "Number of the last commit that this process knows.",
		func() float64 { return float64(p.Head()) })
	gauge("log_events_head", "Position of the last event that other services receive, up to the last known commit.",
		func() float64 { return float64(p.Published()) })
	gauge("log_aggregates_in_memory", "Aggregates in memory.", func() float64 { return float64(p.inMemory()) })
	r.NewCounterFunc(prometheus.CounterOpts{
		Name: "log_events_unpublished_total", Help: "Events that the broker refuses; consumers read them from the feed.",
	}, func() float64 { return float64(p.Unpublished()) })
	writes := r.NewHistogramVec(prometheus.HistogramOpts{
		Name: "log_write_duration_seconds", Buckets: seconds,
		Help: "Time of writing a commit, by outcome: written, lost to another writer, failed without an answer.",
	}, []string{"outcome"})
	m := &metrics{
		eventsPublished: r.NewGauge(prometheus.GaugeOpts{
			Name: "log_events_published", Help: "Position up to which this process has published the events.",
		}),
		commands: r.NewHistogram(prometheus.HistogramOpts{
			Name: "log_batch_commands", Buckets: prometheus.ExponentialBuckets(1, 2, 10),
			Help: "Commands per commit that this process has written.",
		}),
		wait: r.NewHistogram(prometheus.HistogramOpts{
			Name: "log_commit_wait_seconds", Buckets: seconds,
			Help: "Time from the arrival of a command in the queue until its answer.",
		}),
		written: writes.WithLabelValues("written"), lost: writes.WithLabelValues("lost"),
		failed: writes.WithLabelValues("failed"),
	}
	m.setPublished(p.published) // until the publisher has read its cursor
	if !p.opts.Resident {
		gauge("log_checkpoint", "Commit of the last checkpoint that this process has written or read.",
			func() float64 { return float64(p.checkpointed.Load()) })
		m.checkpointFailures = r.NewCounter(prometheus.CounterOpts{
			Name: "log_checkpoint_failures_total", Help: "Checkpoints that could not be written.",
		})
		m.checkpointSuccess = r.NewGauge(prometheus.GaugeOpts{
			Name: "log_checkpoint_last_success_timestamp_seconds",
			Help: "Unix time of the last checkpoint, or when there was nothing to write.",
		})
		m.checkpointSuccess.SetToCurrentTime()
	}
	return m
}

// observeWait measures how long a command has waited for its answer.
func (m *metrics) observeWait(arrived time.Time) {
	if m != nil {
		m.wait.Observe(time.Since(arrived).Seconds())
	}
}

// observeWrite measures an attempt to write the commit of a batch, as createCommit has ended it.
func (m *metrics) observeWrite(started time.Time, commands int, created bool, err error) {
	if m == nil {
		return
	}
	took := time.Since(started).Seconds()
	switch {
	case err != nil:
		m.failed.Observe(took)
	case !created:
		m.lost.Observe(took)
	default:
		m.written.Observe(took)
		m.commands.Observe(float64(commands))
	}
}

// observeCheckpoint measures a checkpoint that was due. Another process that writes the same documents is no failure,
// and no success either.
func (m *metrics) observeCheckpoint(err error) {
	switch {
	case m == nil || errors.Is(err, errContended):
	case err != nil:
		m.checkpointFailures.Inc()
	default:
		m.checkpointSuccess.SetToCurrentTime()
	}
}

// setPublished sets the position up to which the publisher has published.
func (m *metrics) setPublished(position uint64) {
	if m != nil {
		m.eventsPublished.Set(float64(position))
	}
}

// setPublishedAtHead sets the position of a publisher that has published a commit, if that is the last one. After a
// start it knows its position only by that, because its cursor is a commit.
func (p *Partition[S]) setPublishedAtHead(commit uint64) {
	p.mu.RLock()
	published, atHead := p.published, commit >= p.head
	p.mu.RUnlock()
	if atHead {
		p.metrics.setPublished(published)
	}
}

// inMemory is the number of aggregates in memory.
func (p *Partition[S]) inMemory() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.warm)
}
