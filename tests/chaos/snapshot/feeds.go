package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"haberdash/internal/contract"
	"haberdash/tests/chaos/plan"
)

// Feed has all events that a service has published of one of its logs.
type Feed struct {
	Source, Partition string
	Events            []contract.Event
	Head              uint64 // position of the last event
}

// EmptyFeeds returns the feeds that a snapshot has, without events: the feed of the orders, and one feed of the stock
// of each location.
func EmptyFeeds() []Feed {
	feeds := []Feed{{Source: "orders", Partition: "orders"}}
	for _, l := range plan.Locations {
		feeds = append(feeds, Feed{Source: "catalog", Partition: "stock-" + l})
	}
	return feeds
}

// readHeads reads the position of the last event of each feed.
func (r *reader) readHeads(ctx context.Context) (heads []uint64, err error) {
	for _, f := range EmptyFeeds() {
		var page contract.FeedPage
		path := fmt.Sprintf("feed/%s?from=1&max=1", f.Partition)
		if err := r.invoke(ctx, http.MethodGet, f.Source, path, &page); err != nil {
			return nil, err
		}
		heads = append(heads, page.Head)
	}
	return heads, nil
}

// readFeeds reads the feeds, and then the cursors of their consumers.
func (r *reader) readFeeds(ctx context.Context, s *Snapshot) (err error) {
	for _, f := range EmptyFeeds() {
		for next, more := uint64(1), true; more; {
			var page contract.FeedPage
			path := fmt.Sprintf("feed/%s?from=%d&max=1000", f.Partition, next)
			if err := r.invoke(ctx, http.MethodGet, f.Source, path, &page); err != nil {
				return err
			}
			f.Events, f.Head = append(f.Events, page.Events...), page.Head
			more, next = page.Next > next, page.Next
		}
		s.Feeds = append(s.Feeds, f)
	}
	s.Cursors, err = r.readCursors(ctx)
	return err
}

// readAudits has each app compare its documents with its logs.
func (r *reader) readAudits(ctx context.Context, s *Snapshot) error {
	for _, app := range r.shop.Apps() {
		var a contract.Audits
		err := r.invoke(ctx, http.MethodPost, app, "internal/audit", &a)
		if err != nil && !errors.Is(err, errNoRoute) {
			return err
		}
		s.Audits = append(s.Audits, a.Audits...)
	}
	return nil
}

// readCursors reads the cursors of each app that consumes logs.
func (r *reader) readCursors(ctx context.Context) (map[string][]contract.Cursor, error) {
	all := map[string][]contract.Cursor{}
	for _, app := range r.shop.Apps() {
		var c contract.Cursors
		err := r.invoke(ctx, http.MethodGet, app, "internal/consumers", &c)
		if err != nil && !errors.Is(err, errNoRoute) {
			return nil, err
		}
		if len(c.Cursors) > 0 {
			all[app] = c.Cursors
		}
	}
	return all, nil
}

// reached reports whether a cursor of the list had reached the position of c in the same log.
func reached(cursors []contract.Cursor, c contract.Cursor) bool {
	return slices.ContainsFunc(cursors, func(before contract.Cursor) bool {
		return before.Source == c.Source && before.Partition == c.Partition && before.Position >= c.Position
	})
}

// errNoRoute means that an app does not have the route.
var errNoRoute = errors.New("the app does not have this route")

// invoke calls a route of an app that is not public. It goes through the app's own sidecar, because the access rules
// allow few other callers.
func (r *reader) invoke(ctx context.Context, method, app, path string, v any) error {
	url := r.shop.SidecarHTTP(app) + "/v1.0/invoke/" + app + "/method/" + path
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("dapr-api-token", r.shop.SidecarToken(app))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return errNoRoute
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of %s answers %d", path, app, res.StatusCode)
	}
	return json.NewDecoder(res.Body).Decode(v)
}
