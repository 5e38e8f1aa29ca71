// Package service is the watcher of the invariants. It folds the feeds of all logs with the package invariants, and
// compares them with each other and with what the apps tell of themselves:
//
//	feeds.go    reads the feeds, in the order of time
//	orders.go   compares orders with their stock and with the history of their payments (invariants 1, 2, 3, 8)
//	apps.go     checks consumers, audits, the ends of logs, and what a stranger may read (invariants 4, 5, 6, 7)
//	calls.go    the calls of other apps
//	metrics.go  what the watcher has found
//
// It stores nothing: after a start it reads the feeds from the beginning.
package service

import (
	"context"
	"fmt"
	"time"

	"haberdash/internal/host"
)

// Config has the settings of the service.
type Config struct {
	// PollEvery is how often the feeds are read.
	PollEvery time.Duration `env:"WATCH_POLL" envDefault:"1s"`
	// Settle is for how long no feed has an event of an order until the order is compared.
	Settle time.Duration `env:"WATCH_SETTLE" envDefault:"10s"`
	// CheckEvery is how often consumers, logs and access are checked.
	CheckEvery time.Duration `env:"WATCH_CHECK" envDefault:"30s"`
	// AuditEvery is how often the apps compare their documents with their logs, which reads whole logs; 0 turns it off.
	AuditEvery time.Duration `env:"AUDIT_EVERY" envDefault:"6h"`
	// FirstAudit is when the first of these audits begins after the start.
	FirstAudit time.Duration `env:"WATCH_FIRST_AUDIT" envDefault:"10m"`
	// HistoriesPerSecond is of how many orders a second the payments are compared. Each costs orders some reads of its
	// store.
	HistoriesPerSecond int `env:"WATCH_HISTORIES" envDefault:"20"`
}

// Check refuses intervals that are none.
func (c Config) Check() error {
	for name, d := range map[string]time.Duration{"WATCH_POLL": c.PollEvery, "WATCH_CHECK": c.CheckEvery} {
		if d <= 0 {
			return fmt.Errorf("%s=%s: expected a positive duration", name, d)
		}
	}
	for name, d := range map[string]time.Duration{
		"WATCH_SETTLE": c.Settle, "AUDIT_EVERY": c.AuditEvery, "WATCH_FIRST_AUDIT": c.FirstAudit,
	} {
		if d < 0 {
			return fmt.Errorf("%s=%s: expected a duration that is not negative", name, d)
		}
	}
	if c.HistoriesPerSecond < 0 {
		return fmt.Errorf("WATCH_HISTORIES=%d: expected 0 or more", c.HistoriesPerSecond)
	}
	return nil
}

// Run wires the watcher.
func Run(_ context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	w := New(Deps{Invoker: h.Sidecar, Registry: h.Registry, Now: time.Now, Config: config})
	h.Go("watch", w.Watch)
	if config.AuditEvery > 0 {
		h.Go("audits", w.RunAudits)
	}
	w.Mount(h.API)
	return nil
}
