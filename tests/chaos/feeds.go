package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"haberdash/internal/contract"
)

// Feed is all that a service has published of one of its logs.
type Feed struct {
	Source, Partition string
	Events            []contract.Event
	Head              uint64
}

// logs are those whose feeds are read: of the orders, and of each location's stock.
func logs() []Feed {
	all := []Feed{{Source: "orders", Partition: "orders"}}
	for _, l := range Locations {
		all = append(all, Feed{Source: "catalog", Partition: "stock-" + l})
	}
	return all
}

// heads are the ends of the logs.
func (w *World) heads(ctx context.Context) (ends []uint64, err error) {
	for _, f := range logs() {
		var page contract.FeedPage
		if err := w.invoke(ctx, http.MethodGet, f.Source, fmt.Sprintf("feed/%s?from=1&max=1", f.Partition), &page); err != nil {
			return nil, err
		}
		ends = append(ends, page.Head)
	}
	return ends, nil
}

// readFeeds reads the feeds, how far each app has come in them, and what audits of the logs say.
func (w *World) readFeeds(ctx context.Context, b *Books) error {
	for _, f := range logs() {
		for next, more := uint64(1), true; more; {
			var page contract.FeedPage
			if err := w.invoke(ctx, http.MethodGet, f.Source, fmt.Sprintf("feed/%s?from=%d&max=1000", f.Partition, next), &page); err != nil {
				return err
			}
			f.Events, f.Head = append(f.Events, page.Events...), page.Head
			more, next = page.Next > next, page.Next
		}
		b.Feeds = append(b.Feeds, f)
	}
	var err error
	if b.Cursors, err = w.cursors(ctx); err != nil {
		return err
	}
	for _, app := range w.Shop.Apps() {
		var a contract.Audits
		if err := w.invoke(ctx, http.MethodPost, app, "internal/audit", &a); err != nil && !errors.Is(err, errNotThere) {
			return err
		}
		b.Audits = append(b.Audits, a.Audits...)
	}
	return nil
}

// cursors tells how far each app that follows others has come.
func (w *World) cursors(ctx context.Context) (map[string][]contract.Cursor, error) {
	all := map[string][]contract.Cursor{}
	for _, app := range w.Shop.Apps() {
		var c contract.Cursors
		if err := w.invoke(ctx, http.MethodGet, app, "internal/consumers", &c); err != nil && !errors.Is(err, errNotThere) {
			return nil, err
		}
		if len(c.Cursors) > 0 {
			all[app] = c.Cursors
		}
	}
	return all, nil
}

// came tells whether the app's consumer had come to a position of a log.
func came(cursors []contract.Cursor, to contract.Cursor) bool {
	return slices.ContainsFunc(cursors, func(c contract.Cursor) bool {
		return c.Source == to.Source && c.Partition == to.Partition && c.Position >= to.Position
	})
}

// errNotThere means that an app has no such operation.
var errNotThere = errors.New("not there")

// invoke calls an app's operation that only the mesh may call, through the app's own sidecar.
func (w *World) invoke(ctx context.Context, method, app, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, w.Shop.SidecarHTTP(app)+"/v1.0/invoke/"+app+"/method/"+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return errNotThere
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of %s: %d", path, app, res.StatusCode)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

// behind lists the consumers that have not come to the end of a feed.
func (b *Books) behind() (list []string) {
	heads := map[string]uint64{}
	for _, f := range b.Feeds {
		heads[f.Source+"/"+f.Partition] = f.Head
	}
	for app, cursors := range b.Cursors {
		for _, c := range cursors {
			if head, known := heads[c.Source+"/"+c.Partition]; known && c.Position < head {
				list = append(list, fmt.Sprintf("%s has come to %d of %d in the log of %s", app, c.Position, head, c.Source))
			}
		}
	}
	return list
}
