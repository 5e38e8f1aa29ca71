package service

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/internal/roster"
)

// checkConsumers checks the cursors of all apps that follow logs.
func (w *Watcher) checkConsumers(ctx context.Context) {
	cursors := map[string][]contract.Cursor{}
	for _, follower := range roster.Following() {
		found, err := w.apps.cursors(ctx, follower)
		if err != nil {
			w.failed(ctx, follower, "read the cursors", err)
			continue
		}
		cursors[follower] = found
	}
	if !w.readFeeds(ctx) { // after the cursors, which must not be ahead
		return
	}
	now, suspects := w.Now(), map[string]bool{}
	for app, list := range cursors {
		var found []invariants.Violation
		for _, c := range list {
			for _, v := range invariants.CheckCursor(app, c) {
				suspects[v.Text] = true
				if w.suspects[v.Text] {
					found = append(found, v)
				}
			}
			for _, l := range w.logs {
				if l.app == c.Source && l.name == c.Partition {
					found = append(found, invariants.CheckReached(app, c, l.feed.Position)...)
				}
			}
			found = append(found, w.progress.Check(app, c, now)...)
			w.metrics.checks[invariants.EveryEvent].Inc()
		}
		w.set(ctx, "consumers/"+app, found)
	}
	w.suspects = suspects
	if len(cursors) == len(roster.Following()) {
		w.metrics.ran(now, invariants.EveryEvent)
	}
}

// samplesPerCheck is how many events of each log are read again in a check.
const samplesPerCheck = 4

// checkLogs checks that events of the logs are still what they were.
func (w *Watcher) checkLogs(ctx context.Context) {
	complete := true
	for _, l := range w.logs {
		for range samplesPerCheck {
			position := l.sample.Draw()
			if position == 0 {
				break
			}
			page, err := w.apps.page(ctx, l.app, l.name, position, 1)
			if err != nil {
				w.failed(ctx, l.app, "read an event of "+l.name+" again", err)
				complete = false
				break
			}
			w.add(ctx, "sample/"+l.app+"/"+l.name, l.sample.Check(position, page.Events))
			w.metrics.checks[invariants.NothingLost].Inc()
		}
	}
	if complete {
		w.metrics.ran(w.Now(), invariants.NothingLost)
	}
}

// checkAccess checks that orders refuses a stranger: without a token, and with the token of a guest for another order.
func (w *Watcher) checkAccess(ctx context.Context) {
	foreign := strings.ToLower(rand.Text())
	probes := map[string]func() (int, error){
		"a list of orders, without a token": func() (int, error) { return w.apps.listOrders(ctx) },
	}
	if w.anyOrder != "" {
		probes["an order, without a token"] = func() (int, error) { return w.apps.readOrder(ctx, w.anyOrder, "") }
		probes["an order, with a foreign token"] = func() (int, error) {
			return w.apps.readOrder(ctx, w.anyOrder, foreign)
		}
	}
	var found []invariants.Violation
	for what, probe := range probes {
		status, err := probe()
		if err != nil {
			w.failed(ctx, roster.Orders, "read "+what, err)
			return
		}
		found = append(found, invariants.CheckRefused(what, status)...)
		w.metrics.checks[invariants.Ownership].Inc()
	}
	w.set(ctx, "access", found)
	w.metrics.ran(w.Now(), invariants.Ownership)
}

// RunAudits lets the apps compare their documents with their logs, again and again until ctx ends.
func (w *Watcher) RunAudits(ctx context.Context) error {
	for wait := w.FirstAudit; ; wait = w.AuditEvery {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		w.CheckAudits(ctx)
	}
}

// CheckAudits lets the apps compare their documents with their logs, one app after the other.
func (w *Watcher) CheckAudits(ctx context.Context) {
	complete := true
	for _, logger := range roster.Logging() {
		audits, err := w.apps.audit(ctx, logger)
		if err != nil {
			w.failed(ctx, logger, "audit the documents", err)
			complete = false
			continue
		}
		var found []invariants.Violation
		for _, a := range audits {
			found = append(found, invariants.CheckAudit(a)...)
			w.metrics.checks[invariants.Projections].Inc()
		}
		w.set(ctx, "audit/"+logger, found)
	}
	if complete {
		w.metrics.ran(w.Now(), invariants.Projections)
	}
}
