package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
)

// topics returns the topics of the shop that the app follows.
func (s *subject) topics() (list []subscription) {
	for _, f := range s.follows {
		if slices.Contains(roster.Topics(), f.topic) && f.topic != s.deadTopic() {
			list = append(list, f)
		}
	}
	return list
}

// logs returns the logs whose events arrive in the topics that the app follows.
func (s *subject) logs(ctx context.Context) (list []roster.Log, err error) {
	for _, app := range roster.Apps() {
		for _, l := range app.Logs {
			if !s.follow(l.Topic) {
				continue
			}
			prefix, family := strings.CutSuffix(l.Name, "*")
			if !family {
				list = append(list, l)
				continue
			}
			a, err := invoke(ctx, s.sidecarOf(app.ID), app.ID, http.MethodGet, "/feed", nil)
			if err != nil {
				return nil, err
			}
			var feeds contract.Feeds
			if err := a.Decode(&feeds); err != nil {
				return nil, err
			}
			for _, name := range feeds.Names {
				if member, ok := strings.CutPrefix(name, prefix); ok {
					list = append(list, l.Member(member))
				}
			}
		}
	}
	return list, nil
}

// follow reports whether the app follows a topic.
func (s *subject) follow(topic string) bool {
	return slices.ContainsFunc(s.topics(), func(f subscription) bool { return f.topic == topic })
}

// feed returns the last events of a log, at most as many as one page has, and the position of the last.
func (s *subject) feed(ctx context.Context, l roster.Log) (page contract.FeedPage, err error) {
	read := func(from uint64) error {
		a, err := invoke(ctx, s.sidecarOf(l.App), l.App, http.MethodGet,
			"/feed/"+url.PathEscape(l.Name)+"?from="+strconv.FormatUint(from, 10)+"&max=1000", nil)
		if err != nil {
			return err
		}
		page = contract.FeedPage{}
		return a.Decode(&page)
	}
	if err := read(1); err != nil {
		return page, err
	}
	if page.Head > contract.MaxFeedPage {
		return page, read(page.Head - contract.MaxFeedPage + 1)
	}
	return page, nil
}

// positions returns the positions of the app.
func (s *subject) positions(ctx context.Context) (list []contract.Cursor, err error) {
	const path = "/internal/consumers"
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("GET %s was answered with %d and not with the positions of the app in each log that it "+
			"follows: %.200s", path, a.Status, a.Body)
	}
	var got contract.Cursors
	if err := a.Decode(&got); err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	return got.Cursors, nil
}

func positionIn(list []contract.Cursor, l roster.Log) (contract.Cursor, bool) {
	i := slices.IndexFunc(list, func(c contract.Cursor) bool { return c.Source == l.App && c.Partition == l.Name })
	if i < 0 {
		return contract.Cursor{}, false
	}
	return list[i], true
}

// caughtUp waits until the app has handled each event of the logs that it follows, and returns its positions.
func (s *subject) caughtUp(ctx context.Context) (list []contract.Cursor, err error) {
	return list, s.eventually(ctx, func() error {
		logs, err := s.logs(ctx)
		if err != nil {
			return err
		}
		heads := map[roster.Log]uint64{} // read before the positions
		for _, l := range logs {
			page, err := s.feed(ctx, l)
			if err != nil {
				return err
			}
			heads[l] = page.Head
		}
		if list, err = s.positions(ctx); err != nil {
			return err
		}
		for _, l := range logs {
			if err := reached(list, l, heads[l]); err != nil {
				return err
			}
		}
		return nil
	})
}

// reached fails if an app with these positions has not handled all events of a log up to its last one.
func reached(list []contract.Cursor, l roster.Log, head uint64) error {
	switch c, found := positionIn(list, l); {
	case head == 0:
	case !found:
		return fmt.Errorf("GET /internal/consumers has no position in the log %s of %s, which the app follows",
			l.Name, l.App)
	case c.Position < head:
		return fmt.Errorf("the app is at position %d of the log %s of %s, whose last event has position %d",
			c.Position, l.Name, l.App, head)
	case c.Applied+c.Parked != c.Position:
		return fmt.Errorf("in the log %s of %s the app has applied %d events and made %d dead letters, which is not "+
			"its position %d", l.Name, l.App, c.Applied, c.Parked, c.Position)
	}
	return nil
}
