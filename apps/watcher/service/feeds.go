package service

import (
	"context"
	"time"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/internal/roster"
)

// watchedLog is a log whose feed the watcher reads.
type watchedLog struct {
	app, name string
	feed      *invariants.Feed
	sample    invariants.Sample

	next  []contract.Event // read, and not folded yet
	ended bool             // the feed was read to its end in this round
}

// listEvery is how often the watcher looks for new logs, such as that of another stock location.
const listEvery = time.Minute

// listLogs finds the logs of the apps.
func (w *Watcher) listLogs(ctx context.Context) {
	all := true
	for _, logger := range roster.Logging() {
		all = all && w.listed[logger]
	}
	if all && w.Now().Sub(w.listedAt) < listEvery {
		return
	}
	w.listedAt = w.Now()
	for _, logger := range roster.Logging() {
		names, err := w.apps.feeds(ctx, logger)
		if err != nil {
			w.failed(ctx, logger, "list the logs", err)
			continue
		}
		w.listed[logger] = true
		for _, name := range names {
			w.watch(logger, name)
		}
	}
}

func (w *Watcher) watch(app, name string) {
	for _, l := range w.logs {
		if l.app == app && l.name == name {
			return
		}
	}
	w.logs = append(w.logs, &watchedLog{app: app, name: name, sample: invariants.Sample{Partition: name},
		feed: w.shop.Feed(invariants.Log{Source: app, Partition: name})})
}

// readFeeds reads all feeds to their ends, in the order of the times of their events. So an order is compared with the
// stock of the same time, and its details need not be kept for longer than in the shop itself, although the watcher
// begins with the first events. It reports whether it has reached the ends of all feeds.
func (w *Watcher) readFeeds(ctx context.Context) (complete bool) {
	complete = true
	for _, logger := range roster.Logging() {
		complete = complete && w.listed[logger]
	}
	if !complete {
		return false
	}
	for _, l := range w.logs {
		l.ended = false
	}
	for folded := 0; ctx.Err() == nil; folded++ {
		oldest := (*watchedLog)(nil)
		for _, l := range w.logs {
			if len(l.next) == 0 && !l.ended {
				complete = w.fetch(ctx, l) && complete
			}
			if len(l.next) > 0 && (oldest == nil || l.next[0].At.Before(oldest.next[0].At)) {
				oldest = l
			}
		}
		if oldest == nil || !complete {
			break
		}
		w.fold(ctx, oldest)
		if !w.caughtUp && folded%1000 == 999 {
			w.dropClosed()
		}
	}
	w.caughtUp = w.caughtUp || complete && ctx.Err() == nil
	return complete && ctx.Err() == nil
}

// fetch reads the next page of a log. It reports whether the app has answered.
func (w *Watcher) fetch(ctx context.Context, l *watchedLog) bool {
	page, err := w.apps.page(ctx, l.app, l.name, l.feed.Position+1, contract.MaxFeedPage)
	if err != nil {
		w.failed(ctx, l.app, "read the feed of "+l.name, err)
		l.ended = true
		return false
	}
	w.set(ctx, "end/"+l.app+"/"+l.name, l.feed.CheckHead(page.Head))
	l.next = page.Events
	if len(page.Events) == 0 || page.Events[len(page.Events)-1].Position <= l.feed.Position {
		l.ended = true
	}
	return true
}

// fold folds the next event of a log. While the watcher catches up, the time is that of the events.
func (w *Watcher) fold(ctx context.Context, l *watchedLog) {
	e := l.next[0]
	l.next = l.next[1:]
	now := w.Now()
	if !w.caughtUp {
		if e.At.After(w.caughtUpTo) {
			w.caughtUpTo = e.At
		}
		now = w.caughtUpTo
	}
	before := l.feed.Position
	w.add(ctx, "feed/"+l.app+"/"+l.name, w.shop.Apply(e, now))
	if e.Position <= before {
		return
	}
	l.sample.Add(e)
	w.metrics.checks[invariants.EveryEvent].Inc()
	if e.Type == contract.OrderPlaced {
		w.metrics.checks[invariants.OneOrder].Inc()
		w.anyOrder = orderOf(e)
	}
	w.metrics.position.WithLabelValues(l.name).Set(float64(l.feed.Position))
}

// dropClosed lets the shop drop the details of orders that have ended, as far as the feeds are read. Violations are not
// reported yet: what heals them may be further on. The orders are compared again at the ends of the feeds.
func (w *Watcher) dropClosed() {
	for ids := w.due(w.caughtUpTo); len(ids) > 0; ids = w.due(w.caughtUpTo) {
		for _, id := range ids {
			w.shop.Check(id, nil, w.caughtUpTo)
		}
	}
}

func (w *Watcher) due(now time.Time) []string {
	ids, _ := w.shop.Due(now, maxCompared)
	return ids
}
