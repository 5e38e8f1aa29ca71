package host

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/commitlog/projection"
	"haberdash/internal/consumer"
	"haberdash/internal/consumer/consumerapi"
	"haberdash/internal/faultflag"
	"haberdash/internal/httpx/httpserver"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/transfer"
)

// OpenLog opens a log of the service. The host measures it, serves its feed, audits and exports it, publishes its
// events to its topic, and closes it at the end. While a newer release writes the log, the service is not ready.
func OpenLog[S any](
	ctx context.Context, h *Host, name roster.Log, model commitlog.Model[S], o commitlog.Options,
) (*commitlog.Partition[S], error) {
	o.Rebuild, o.Registry = bool(h.Config.Rebuild), h.Registry
	log, err := commitlog.Open(ctx, h.State(), h.App, name.Name, model, o)
	if err != nil {
		return nil, err
	}
	h.OnClose("log "+name.Name, log.Close)
	h.reportSetAside(name.Name, log.SetAside)
	h.logs = append(h.logs, log)
	h.Audit(log)
	h.Export(func(ctx context.Context, put func(sidecar.Item) error) error {
		return log.Export(ctx, name.Topic, put)
	})
	h.Faults.Offer(faultflag.PausedPublisher, faultflag.RefusedEvents)
	if !o.Resident { // otherwise it has no documents
		h.Faults.Offer(faultflag.RefusedDocuments)
	}
	h.Go("publish "+name.Name, func(ctx context.Context) error {
		log.Publish(ctx, h.Sidecar, name.Topic)
		return nil
	})
	return log, nil
}

// reportSetAside reports the documents of a log that the store refuses.
func (h *Host) reportSetAside(log string, list func() []string) {
	h.ReportSetAside(SetAside{
		Metric: "log_documents_set_aside", Help: "Documents that the store refuses.", Labels: prometheus.Labels{"log": log},
		Check: "documents of " + log, Reason: "the store refuses them", List: list,
	})
}

// SetAside are objects that fail and are passed over, so that the others go on.
type SetAside struct {
	Metric, Help string            // of the gauge that counts them
	Labels       prometheus.Labels // of the gauge
	Check        string            // the name of the check of /readyz
	Reason       string            // why they are set aside
	List         func() []string   // their ids
}

// ReportSetAside reports what is set aside: as a gauge, and as a warning of /readyz.
func (h *Host) ReportSetAside(s SetAside) {
	h.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: s.Metric, Help: s.Help, ConstLabels: s.Labels,
	}, func() float64 { return float64(len(s.List())) }))
	h.Server.ReadyLocally(s.Check, func(context.Context) error {
		ids := s.List()
		if len(ids) == 0 {
			return nil
		}
		return httpserver.Warning(fmt.Sprintf("%d set aside, because %s; %s is one", len(ids), s.Reason, ids[0]))
	})
}

// OpenProjection opens a projection of a log and keeps it up to date in the background. The host measures and audits
// it. With REBUILD=on it first rebuilds the documents of the projection from the log.
func (h *Host) OpenProjection(ctx context.Context, p *projection.Projection) error {
	if h.Config.Rebuild {
		if err := p.Rebuild(ctx); err != nil {
			return err
		}
	}
	if err := p.Open(ctx); err != nil {
		return err
	}
	p.Measure(h.Registry)
	h.Audit(p)
	h.Faults.Offer(faultflag.PausedProjections)
	h.Go("projection "+p.Name(), func(ctx context.Context) error {
		p.Run(ctx)
		return nil
	})
	return nil
}

// Consume makes a consumer consume the logs that the roster lists for the service. The host subscribes it to their
// topics and to the dead-letter topic of the service, runs and measures it, and serves and exports its dead letters and
// cursors.
func (h *Host) Consume(c *consumer.Consumer) {
	app := roster.Get(h.App)
	for _, l := range app.Follows {
		c.Follow(consumer.Log{Source: l.App, Partition: l.Name})
	}
	c.Measure(h.Registry)
	c.Subscribe(h.events, roster.DeadLetterTopic(h.App), app.Topics()...)
	consumerapi.Mount(h.API, h.App, c)
	// Cursors are exported first. An event that is handled during the export is then handled again after the import,
	// which does no harm; with a newer cursor it would be missing.
	h.cursors = append(h.cursors, c.Export)
	h.Go("consumer", func(ctx context.Context) error {
		c.Run(ctx)
		return nil
	})
}

// Audit adds an auditor, which compares stored documents with their log, to POST /internal/audit.
func (h *Host) Audit(a logapi.Auditor) { h.audits = append(h.audits, a) }

// Export adds a source of data to GET /internal/export: data that the service stores and cannot derive from its logs.
// The order of the calls is the order of the export.
func (h *Host) Export(source transfer.Source) { h.exports = append(h.exports, source) }

// mountOperations adds the operations for the logs, auditors and exports that Run has registered.
func (h *Host) mountOperations() {
	if len(h.logs) > 0 {
		logapi.MountFeed(h.API, h.logs...)
		h.Server.ReadyLocally("log", logapi.Ready(h.logs...))
	}
	if len(h.audits) > 0 {
		logapi.MountAudit(h.API, h.audits...)
	}
	if exports := append(h.cursors, h.exports...); len(exports) > 0 {
		transfer.MountExport(h.API, h.App, exports...)
	}
}
