package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"haberdash/dapr/launch/appfile"
)

// check tries one promise of the contract.
type check struct {
	name    string
	promise string // a sentence for people
	part    string // of the contract, if not every app keeps it
	try     func(context.Context, *subject) error
}

// notTried is the error of a check that does not apply to an app. It says why.
type notTried string

// Error implements error.
func (n notTried) Error() string { return string(n) }

// checks are all promises, in the order in which they are tried.
func checks() []check {
	return []check{
		{"checks", "GET of the paths `ready` and `health` is answered with 200, without a token", "", noting(tryChecks)},
		{"tokens", "every other request without the token of the sidecar is refused with 401", "", noting(tryTokens)},
		{"strangers", "other apps can neither export its data nor deliver events", "", noting(tryStrangers)},
		{"repetitions", "an event that comes again changes nothing", "", noting(tryRepetitions)},
		{"bulk", "each message of a bulk gets a status of its own", "", noting(tryBulk)},
		{"poison", "what is no event is refused or becomes a dead letter, and stops nothing", "", noting(tryPoison)},
		{"additions", "members and types that the app does not know disturb nothing", "", noting(tryAdditions)},
		{"earlier", "messages of a release without the attributes of CloudEvents are handled", "", noting(tryEarlier)},
		{"positions", "its positions are those of the last events", appfile.PartConsumers, noting(tryPositions)},
		{"gaps", "events whose messages are lost are read from the feed", appfile.PartConsumers, noting(tryGaps)},
		{"order", "events that arrive in another order are all handled", appfile.PartConsumers, noting(tryOrder)},
		{"kill", "no event is lost when its process is killed", "", noting(tryKill)},
		{"end", "its process ends by itself within ten seconds of SIGTERM, and loses no event", "", noting(tryEnd)},
		{"dead-letters", "administrators list, replay and discard its dead letters", appfile.PartDeadLetters,
			noting(tryDeadLetters)},
		{"export", "its export is a JSON document a line, and a repetition of all events does not change it",
			appfile.PartExport, noting(tryExport)},
		{"erasure", "when a user is deleted, it erases what it has stored about the user", "", noting(tryErasure)},
		{"mails", "each order is mailed exactly once", partMails, noting(tryMails)},
	}
}

// noting gives a failure of a check the answers that would have lost messages meanwhile.
func noting(try func(context.Context, *subject) error) func(context.Context, *subject) error {
	return func(ctx context.Context, s *subject) error {
		before := len(s.gate.losses())
		err := try(ctx, s)
		if lost := s.gate.losses()[before:]; len(lost) > 0 {
			err = errors.Join(err, fmt.Errorf("%s, for which Dapr discards messages", lost[0]))
		}
		return err
	}
}

// result is the outcome of a check.
type result struct {
	check
	err error
}

// try runs the checks with the given names, or all.
func (s *subject) try(ctx context.Context, report func(result), names ...string) (failed bool) {
	for _, c := range checks() {
		if len(names) > 0 && !slices.Contains(names, c.name) {
			continue
		}
		r := result{check: c}
		switch {
		case c.part == partMails && !s.keeps(partMails):
			r.err = notTried("only the app notifications sends mails")
		case c.part != "" && !s.keeps(c.part):
			r.err = notTried("the app does not say that it keeps the part " + c.part)
		default:
			r.err = c.try(ctx, s)
		}
		report(r)
		failed = failed || r.broken()
	}
	return failed
}

func (r result) broken() bool {
	var skipped notTried
	return r.err != nil && !errors.As(r.err, &skipped)
}

// String is the line of the report.
func (r result) String() string {
	switch {
	case r.err == nil:
		return fmt.Sprintf("kept       %-13s %s", r.name, r.promise)
	case r.broken():
		return fmt.Sprintf("BROKEN     %-13s %s\n           %s", r.name, r.promise,
			strings.ReplaceAll(r.err.Error(), "\n", "\n           "))
	}
	return fmt.Sprintf("not tried  %-13s %s: %s", r.name, r.promise, r.err)
}

func tryChecks(ctx context.Context, s *subject) error {
	for _, path := range []string{s.ready, s.health} {
		status, err := s.direct(ctx, http.MethodGet, path, "")
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("GET %s was answered with %d", path, status)
		}
	}
	return nil
}

// direct sends a request to the app, past its sidecar.
func (s *subject) direct(ctx context.Context, method, path, token string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, s.shop.AppURL(s.id)+path, strings.NewReader("{}"))
	if err != nil {
		return 0, err
	}
	req.Header.Set(probeHeader, "1")
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if token != "" {
		req.Header.Set("dapr-api-token", token)
	}
	res, err := s.guest.HTTP.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

func tryTokens(ctx context.Context, s *subject) error {
	requests := [][2]string{{http.MethodGet, "/openapi.json"}}
	for _, f := range s.follows {
		for _, path := range f.paths {
			requests = append(requests, [2]string{http.MethodPost, path})
		}
	}
	for part, path := range map[string]string{
		appfile.PartConsumers: "/internal/consumers", appfile.PartExport: "/internal/export",
		appfile.PartDeadLetters: s.letterPath(""),
	} {
		if s.keeps(part) {
			requests = append(requests, [2]string{http.MethodGet, path})
		}
	}
	// The token of the sidecar for the app is another than the one that the app has for its sidecar.
	for _, token := range []string{"", "wrong", s.shop.SidecarToken(s.id)} {
		for _, r := range requests {
			status, err := s.direct(ctx, r[0], r[1], token)
			if err != nil {
				return err
			}
			if status != http.StatusUnauthorized {
				return fmt.Errorf("%s %s with the token %.4q… was answered with %d: anybody who reaches the port of the app "+
					"could do the same", r[0], r[1], token, status)
			}
		}
	}
	return nil
}

func tryStrangers(ctx context.Context, s *subject) error {
	for _, other := range tried() {
		if other == s.id {
			continue
		}
		requests := [][2]string{{http.MethodGet, "/internal/export"}, {http.MethodPost, "/internal/import"}}
		for _, f := range s.follows {
			requests = append(requests, [2]string{http.MethodPost, f.paths[0]})
		}
		for _, r := range requests {
			a, err := invoke(ctx, s.sidecarOf(other), s.id, r[0], r[1], "{}")
			if err != nil {
				return err
			}
			if a.Status != http.StatusForbidden {
				return fmt.Errorf("%s %s by the app %s was answered with %d", r[0], r[1], other, a.Status)
			}
		}
	}
	return nil
}
