package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"haberdash/dapr/launch/appfile"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

func tryDeadLetters(ctx context.Context, s *subject) error {
	before, err := s.deadLetters(ctx)
	if err != nil {
		return err
	}
	event := poisons(s.deadTopic())["another object"]
	event["data"] = map[string]any{"not": "an event", "but": api.NewKey()}
	if err := s.expect(ctx, s.deadPath(), event, success); err != nil {
		return err
	}
	after, err := s.deadLetters(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(after, func(l letter) bool {
		return !slices.ContainsFunc(before, func(b letter) bool { return b.ID == l.ID })
	})
	if i < 0 {
		return errors.New("a message of the dead-letter topic that is no event is not in the list of dead letters")
	}
	switch l := after[i]; {
	case l.Reason == "":
		return fmt.Errorf("the dead letter %s has no reason", l.ID)
	case l.At.IsZero():
		return fmt.Errorf("the dead letter %s has no time", l.ID)
	case l.Tries < 1:
		return fmt.Errorf("the dead letter %s has been tried %d times", l.ID, l.Tries)
	}
	if err := s.tryCallers(ctx, after[i].ID); err != nil {
		return err
	}
	list, path := s.letterPath(""), s.letterPath(after[i].ID)
	for _, step := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, list + "?limit=0", http.StatusUnprocessableEntity},
		{http.MethodGet, list + "?cursor=invented", http.StatusUnprocessableEntity},
		{http.MethodPost, s.letterPath("invented") + "/replay", http.StatusNotFound},
		{http.MethodDelete, s.letterPath("invented"), http.StatusNotFound},
		{http.MethodPost, path + "/replay", http.StatusConflict},
		{http.MethodDelete, path, http.StatusNoContent},
		{http.MethodPost, path + "/replay", http.StatusNotFound},
		{http.MethodDelete, path, http.StatusNotFound},
	} {
		a, err := s.admin.Do(ctx, api.Request{Method: step.method, Path: step.path})
		if err != nil {
			return err
		}
		if a.Status != step.want {
			return fmt.Errorf("%s %s of an administrator was answered with %d instead of %d: %.200s", step.method, step.path,
				a.Status, step.want, a.Body)
		}
		if a.Status >= 400 && a.Header.Get("Content-Type") != "application/problem+json" {
			return fmt.Errorf("%s %s: the error is no problem (RFC 9457): %.200s", step.method, step.path, a.Body)
		}
	}
	return nil
}

// tryCallers fails if somebody who is no administrator may use dead letters.
func (s *subject) tryCallers(ctx context.Context, id string) error {
	customer, _, err := s.guest.AsNewCustomer(ctx)
	if err != nil {
		return err
	}
	for name, c := range map[string]struct {
		client *api.Client
		want   int
	}{"a guest": {s.guest, http.StatusUnauthorized}, "a customer": {customer, http.StatusForbidden}} {
		for _, r := range [][2]string{
			{http.MethodGet, s.letterPath("")},
			{http.MethodPost, s.letterPath(id) + "/replay"},
			{http.MethodDelete, s.letterPath(id)},
		} {
			a, err := c.client.Do(ctx, api.Request{Method: r[0], Path: r[1]})
			if err != nil {
				return err
			}
			if a.Status != c.want {
				return fmt.Errorf("%s %s of %s was answered with %d instead of %d", r[0], r[1], name, a.Status, c.want)
			}
		}
	}
	return nil
}

func tryExport(ctx context.Context, s *subject) error {
	if _, err := s.buy(ctx); err != nil {
		return err
	}
	if _, err := s.quiet(ctx); err != nil {
		return err
	}
	before, err := s.settledExport(ctx)
	if err != nil {
		return err
	}
	if err := s.repeat(ctx); err != nil {
		return err
	}
	after, err := s.export(ctx)
	if err != nil {
		return err
	}
	slices.Sort(after)
	for _, line := range after {
		if _, found := slices.BinarySearch(before, line); !found {
			return fmt.Errorf("after the repetition of all events the export has a new document: %.300s", line)
		}
	}
	if len(after) != len(before) {
		return fmt.Errorf("after the repetition of all events the export has %d documents instead of %d", len(after),
			len(before))
	}
	return nil
}

func tryErasure(ctx context.Context, s *subject) error {
	if !s.follow("users") {
		return notTried("the app does not follow users")
	}
	if !s.keeps(appfile.PartExport) && !s.keeps(appfile.PartDeadLetters) {
		return notTried("what the app stores can be seen by neither an export nor dead letters")
	}
	p, err := s.buy(ctx)
	if err != nil {
		return err
	}
	a, err := p.customer.Do(ctx, api.Request{
		Method: http.MethodDelete, Path: "/api/v1/me", Body: map[string]string{"password": p.password},
	})
	if err != nil {
		return err
	}
	if a.Status != http.StatusNoContent {
		return fmt.Errorf("the user could not be deleted: %.200s", a.Body)
	}
	personal := []string{p.user.Email, p.user.ID}
	if app, own := roster.Find(s.id); own && len(app.Logs) > 0 {
		personal = personal[:1] // ids stay in its own log, which cannot be changed; nothing leads from them to a person
	}
	return s.eventually(ctx, func() error {
		var stored []string
		if s.keeps(appfile.PartExport) {
			if stored, err = s.export(ctx); err != nil {
				return err
			}
		}
		if s.keeps(appfile.PartDeadLetters) {
			letters, err := s.deadLetters(ctx)
			if err != nil {
				return err
			}
			for _, l := range letters {
				stored = append(stored, fmt.Sprintf("%+v", l))
			}
		}
		for _, text := range stored {
			for _, about := range personal {
				if strings.Contains(text, about) {
					return fmt.Errorf("%q of the deleted user is still in %.300s", about, text)
				}
			}
		}
		return nil
	})
}
