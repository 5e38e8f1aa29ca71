package service

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/internal/httpx"
	"haberdash/internal/invariants"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Deps are the dependencies of the watcher.
type Deps struct {
	Invoker  sidecar.Invoker
	Registry prometheus.Registerer
	Now      func() time.Time
	Config
}

// Watcher watches the invariants of a shop.
type Watcher struct {
	Deps
	apps    apps
	metrics *metrics

	mu       sync.Mutex // guards board and warnedAt
	board    *invariants.Board
	warnedAt map[string]time.Time // by app

	// Only Watch uses these.
	shop      *invariants.Shop
	logs      []*watchedLog
	listed    map[string]bool // apps whose logs are known
	listedAt  time.Time
	caughtUp  bool // the feeds were read to their ends once
	checkedAt time.Time
	progress  *invariants.Progress
	suspects  map[string]bool // violations of the last reading of the cursors, which another reading must confirm
	budget    budget
	anyOrder  string // the id of an order

	caughtUpTo time.Time // time of the latest event that was read, until caughtUp
}

// cursorGrace is how long a consumer may be behind a position that it had reached before.
const cursorGrace = time.Minute

// New makes a watcher.
func New(d Deps) *Watcher {
	w := &Watcher{Deps: d, apps: apps{d.Invoker}, board: invariants.NewBoard(), listed: map[string]bool{},
		shop:     invariants.NewShop(invariants.Options{Settle: d.Settle, Again: max(d.Settle, time.Second)}),
		progress: invariants.NewProgress(cursorGrace), suspects: map[string]bool{}, warnedAt: map[string]time.Time{},
		budget: budget{rate: float64(d.HistoriesPerSecond)}}
	w.metrics = newMetrics(d.Registry, w.count)
	return w
}

// Watch watches until ctx ends.
func (w *Watcher) Watch(ctx context.Context) error {
	tick := time.NewTicker(w.PollEvery)
	defer tick.Stop()
	for {
		w.Look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look reads what is new in the feeds, compares the orders that are due, and checks consumers, logs and access if that
// is due.
func (w *Watcher) Look(ctx context.Context) {
	w.listLogs(ctx)
	complete := w.readFeeds(ctx)
	w.metrics.sizes(w.shop.Sizes())
	if !complete || ctx.Err() != nil {
		return // what is compared would be of different times
	}
	w.compareOrders(ctx)
	if now := w.Now(); now.Sub(w.checkedAt) >= w.CheckEvery {
		w.checkedAt = now
		w.checkConsumers(ctx)
		w.checkLogs(ctx)
		w.checkAccess(ctx)
	}
}

// set replaces the violations of a check, and logs the new ones.
func (w *Watcher) set(ctx context.Context, check string, list []invariants.Violation) {
	w.mu.Lock()
	fresh := w.board.Set(check, list)
	w.mu.Unlock()
	logViolations(ctx, fresh)
}

// add adds violations that cannot heal, and logs the new ones.
func (w *Watcher) add(ctx context.Context, check string, list []invariants.Violation) {
	if len(list) == 0 {
		return
	}
	w.mu.Lock()
	fresh := w.board.Add(check, list)
	w.mu.Unlock()
	logViolations(ctx, fresh)
}

func logViolations(ctx context.Context, list []invariants.Violation) {
	for _, v := range list {
		telemetry.Log(ctx).Error().Int(field.Invariant, v.Invariant).Str(field.Order, v.Order).Str(field.Violation, v.Text).
			Msg("an invariant is violated")
	}
}

// count returns how many violations of an invariant stand.
func (w *Watcher) count(invariant int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.board.Count(invariant)
}

// warnEvery is how often the watcher logs that an app does not answer.
const warnEvery = time.Minute

// failed counts that an app does not answer a check, which is repeated, and logs it now and then.
func (w *Watcher) failed(ctx context.Context, app, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	w.metrics.failures.WithLabelValues(app).Inc()
	now := w.Now()
	w.mu.Lock()
	due := now.Sub(w.warnedAt[app]) >= warnEvery
	if due {
		w.warnedAt[app] = now
	}
	w.mu.Unlock()
	if due {
		telemetry.Log(ctx).Warn().Err(err).Str(field.Upstream, app).Msgf("cannot %s, will try again", what)
	}
}

type violationsOutput struct {
	Body struct {
		Violations []invariants.Violation `json:"violations" nullable:"false"`
	}
}

// maxListed is how many violations the watcher lists.
const maxListed = 100

// Mount serves the violations that stand. Only the watcher's own sidecar reaches the route.
func (w *Watcher) Mount(api huma.API) {
	httpx.Register(api, huma.Operation{OperationID: "list-violations", Method: http.MethodGet,
		Path: "/internal/violations", Tags: []string{"Internal"}, Summary: "Violations of the invariants that stand"},
		func(context.Context, *struct{}) (*violationsOutput, error) {
			out := &violationsOutput{}
			w.mu.Lock()
			defer w.mu.Unlock()
			out.Body.Violations = append([]invariants.Violation{}, w.board.List(maxListed)...)
			return out, nil
		})
}
