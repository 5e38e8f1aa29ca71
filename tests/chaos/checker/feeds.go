package checker

import (
	"slices"
	"strings"

	"haberdash/internal/invariants"
)

// checkConsumers checks that each consumer has reached the end of its logs, has applied every event once by its own
// count, and has no dead letters.
func (c *check) checkConsumers() {
	for _, text := range c.Behind() {
		c.violated("", "%s", text)
	}
	consumers := 0
	for app, cursors := range c.Cursors {
		for _, cursor := range cursors {
			if cursor.Partition == "" { // events of an app without a log
				continue
			}
			consumers++
			c.found = append(c.found, invariants.CheckCursor(app, cursor)...)
			if cursor.Parked != 0 {
				c.violated("", "%s has dead-lettered %d events of %s", app, cursor.Parked, cursor.Source)
			}
		}
	}
	if consumers == 0 {
		c.violated("", "no app reports the cursors of its consumers")
	}
}

// checkAudits checks that all documents are what their logs produce.
func (c *check) checkAudits() {
	if len(c.Audits) == 0 {
		c.violated("", "no app audits its documents")
	}
	for _, a := range c.Audits {
		c.found = append(c.found, invariants.CheckAudit(a)...)
	}
}

// event identifies an event of an aggregate, in a feed or in a history.
type event struct {
	seq       int64
	eventType string
}

// checkFeeds checks that each feed numbers its events without a gap, has no event twice, and has for each aggregate
// exactly the events of its history in the public API, in the same order.
func (c *check) checkFeeds() {
	histories := c.histories()
	for _, f := range c.Feeds {
		published := map[string][]event{}
		feed := invariants.Feed{Source: f.Source, Partition: f.Partition}
		for _, e := range f.Events {
			c.found = append(c.found, feed.Apply(e)...)
			key := f.Partition + " " + e.Aggregate
			published[key] = append(published[key], event{int64(e.Seq), e.Type})
		}
		if uint64(len(f.Events)) != f.Head {
			c.violated("", "the feed of %s has %d events, its head is %d", f.Partition, len(f.Events), f.Head)
		}
		for key, history := range histories {
			if strings.HasPrefix(key, f.Partition+" ") && !slices.Equal(published[key], history) {
				c.violated("", "%s: the feed has %v, the history has %v", key, published[key], history)
			}
			delete(published, key)
		}
		for key, events := range published {
			c.violated("", "%s: the feed has %v, but there is no history", key, events)
		}
	}
}

// histories returns the histories of the public API by feed and aggregate.
func (c *check) histories() map[string][]event {
	histories := map[string][]event{}
	for id, o := range c.Orders {
		for _, e := range o.Events {
			if !strings.HasPrefix(e.Type, "payment.") { // these are not published
				histories["orders order/"+id] = append(histories["orders order/"+id], event{e.Seq, e.Type})
			}
		}
	}
	for sku, stock := range c.Stock {
		for _, e := range stock.Events {
			key := "stock-" + e.Location + " sku/" + sku
			histories[key] = append(histories[key], event{e.Seq, e.Type})
		}
	}
	return histories
}
