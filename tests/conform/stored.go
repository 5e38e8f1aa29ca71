package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"haberdash/dapr/launch/appfile"
	"haberdash/tests/api"
)

// letter is a dead letter in the list of an app.
type letter struct {
	ID, Event, Type, Source, Reason string
	At                              time.Time
	Tries                           int
}

// deadLetters returns the dead letters of the app, as the gateway shows them to administrators.
func (s *subject) deadLetters(ctx context.Context) (letters []letter, err error) {
	const limit = 100
	cursor := ""
	for {
		a, err := s.admin.Do(ctx, api.Request{
			Method: http.MethodGet,
			Path:   s.letterPath("") + "?limit=" + strconv.Itoa(limit) + "&cursor=" + url.QueryEscape(cursor),
		})
		if err != nil {
			return nil, err
		}
		var page api.List[letter]
		if err := a.Decode(&page); err != nil {
			return nil, fmt.Errorf("GET %s: %w", s.letterPath(""), err)
		}
		letters = append(letters, page.Items...)
		if page.NextCursor == nil || len(page.Items) == 0 {
			return letters, nil
		}
		cursor = *page.NextCursor
	}
}

// letterPath is the public address of a dead letter, or of the list.
func (s *subject) letterPath(id string) string {
	path := "/api/v1/dead-letters/" + s.id
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	return path
}

// export returns what the app exports, a document a line.
func (s *subject) export(ctx context.Context) (lines []string, err error) {
	a, err := invoke(ctx, s.sidecar, s.id, http.MethodGet, "/internal/export", nil)
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("GET /internal/export was answered with %d: %.200s", a.Status, a.Body)
	}
	for line := range strings.Lines(string(a.Body)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var document map[string]any
		if err := json.Unmarshal([]byte(line), &document); err != nil {
			return nil, fmt.Errorf("a line of GET /internal/export is not a JSON document: %.100s", line)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// lettersKept is the number of dead letters of an app that keeps them.
func (s *subject) lettersKept(ctx context.Context) (int, error) {
	if !s.keeps(appfile.PartDeadLetters) {
		return 0, nil
	}
	list, err := s.deadLetters(ctx)
	return len(list), err
}

// notLost fails if a message that is no event is lost: the app has accepted it, and it is not among its dead letters.
func (s *subject) notLost(ctx context.Context, status string, before int) error {
	if status != success || !s.keeps(appfile.PartDeadLetters) {
		return nil
	}
	after, err := s.lettersKept(ctx)
	if err == nil && after <= before {
		err = errors.New("it got the status SUCCESS and is not among the dead letters: it is lost")
	}
	return err
}

// settledExport returns the sorted export of an app as soon as it stays the same for a second: what a purchase has
// caused may be stored a moment later.
func (s *subject) settledExport(ctx context.Context) (lines []string, err error) {
	return lines, s.eventually(ctx, func() error {
		before := lines
		if lines, err = s.export(ctx); err != nil {
			return err
		}
		slices.Sort(lines)
		if !slices.Equal(before, lines) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			return errors.New("the export changes all the time")
		}
		return nil
	})
}
