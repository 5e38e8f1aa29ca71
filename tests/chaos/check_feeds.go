package chaos

import (
	"slices"
	"strings"
)

// consumers: each has come to the end of its logs, has handled every event once by its own count, and has parked none.
func (c *check) consumers() {
	for _, late := range c.behind() {
		c.broken("", "%s", late)
	}
	followers := 0
	for app, cursors := range c.Cursors {
		for _, cursor := range cursors {
			if cursor.Partition == "" { // events of a source that keeps no log
				continue
			}
			followers++
			if cursor.Applied != cursor.Position || cursor.Parked != 0 {
				c.broken("", "%s has applied %d and parked %d of the first %d events of %s", app, cursor.Applied, cursor.Parked, cursor.Position, cursor.Source)
			}
		}
	}
	if followers == 0 {
		c.broken("", "nobody tells how far they have come")
	}
}

// audits: what the services derive from their logs is what the logs come to, byte for byte.
func (c *check) audits() {
	if len(c.Audits) == 0 {
		c.broken("", "nobody audits a log")
	}
	for _, a := range c.Audits {
		if a.Wrong != 0 && len(a.Differences) == 0 {
			c.broken("", "%s %s: %d documents are wrong", a.Log, a.Projection, a.Wrong)
		}
		for _, d := range a.Differences {
			c.broken("", "%s %s: %+v", a.Log, a.Projection, d)
		}
	}
}

// told is an event as a history of the public API has it.
type told struct {
	seq  int64
	kind string
}

// feeds: a feed counts its events without a gap, names each once, keeps each aggregate's order, and has what the
// histories of the public API have, no more and no less.
func (c *check) feeds() {
	histories := map[string][]told{} // by feed and aggregate
	for id, o := range c.Orders {
		for _, e := range o.Events {
			if !strings.HasPrefix(e.Type, "payment.") { // the movements of money are nobody else's
				histories["orders order/"+id] = append(histories["orders order/"+id], told{e.Seq, e.Type})
			}
		}
	}
	for sku, book := range c.Stock {
		for _, e := range book.Events {
			key := "stock-" + e.Location + " sku/" + sku
			histories[key] = append(histories[key], told{e.Seq, e.Type})
		}
	}
	for _, f := range c.Feeds {
		published, ids := map[string][]told{}, map[string]bool{}
		for i, e := range f.Events {
			if e.Position != uint64(i)+1 {
				c.broken("", "the feed of %s has position %d after %d", f.Partition, e.Position, i)
				return
			}
			if ids[e.ID] {
				c.broken("", "the feed of %s has %s twice", f.Partition, e.ID)
			}
			ids[e.ID] = true
			key := f.Partition + " " + e.Aggregate
			published[key] = append(published[key], told{int64(e.Seq), e.Type})
		}
		if uint64(len(f.Events)) != f.Head {
			c.broken("", "the feed of %s ends at %d of %d", f.Partition, len(f.Events), f.Head)
		}
		for key, history := range histories {
			if strings.HasPrefix(key, f.Partition+" ") && !slices.Equal(published[key], history) {
				c.broken("", "%s: published is %v, the history is %v", key, published[key], history)
			}
			delete(published, key)
		}
		for key, events := range published {
			c.broken("", "%s: %v are published of what no history has", key, events)
		}
	}
}
