package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// hostile has texts with a special meaning for a database, a store, a file system, a template, a mailer or a terminal.
var hostile = []string{
	`' OR '1'='1' --`, `x'); DROP TABLE state; --`, `{"$gt":""}`, `../../../../etc/passwd`, `..%2f..%2finternal%2fquotes`,
	`users||signing-keys`, "a\x00b", "a\r\nX-Evil: 1", "\xff\xfe", `${jndi:ldap://x}{{7*7}}`, "\u202eevil\U0001F9F5",
	strings.Repeat("x", 3_000),
}

// huge is longer than any text that the API allows, and shorter than the longest body that the gateway accepts.
var huge = strings.Repeat("ä", 200_000)

// Hostile text in a path, a query, a header or a body is accepted or refused, but the answer is never 500, and an error
// is a problem (the client checks both). The caller has access and all other values are valid, so that the text passes
// as many checks as possible.
func TestHostileInputOnEveryRoute(t *testing.T) {
	guest(t)
	shared, all, done := newFixture(t), operations(t), map[string]bool{}
	for _, r := range rules(t) {
		name := r.operation()
		if done[name] {
			continue
		}
		done[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := *shared
			f.values = maps.Clone(shared.values)
			f.hostilePath(t, r)
			f.hostileParameters(t, r, all[name])
			f.hostileBody(t, r, all[name])
		})
	}
}

// allowedCaller returns the caller with the fewest rights who may send the request of the rule.
func (f *fixture) allowedCaller(r rule) *api.Client {
	for _, caller := range []string{"nobody", "owner"} {
		if !refusal(r.want[caller]) {
			return f.callers[caller][0]
		}
	}
	return f.callers["admin"][0]
}

func (f *fixture) hostilePath(t *testing.T, r rule) {
	for _, name := range placeholder.FindAllString(r.path, -1) {
		for _, text := range hostile {
			changed := r
			changed.path = strings.Replace(r.path, name, url.PathEscape(text), 1)
			a := sendRequest(t, f.allowedCaller(r), f.requestOf(r.operation(), changed))
			// Removing an item or a coupon that the cart does not have is not an error.
			if !strings.Contains(r.path, "{cart}/") || r.method != http.MethodDelete {
				assert.True(t, a.Status >= 400, "%s %.100q answers %d: %.200s", r.method, changed.path, a.Status, a.Body)
			}
		}
	}
}

// hostileParameters puts hostile text into each parameter in the query and the header. If the document restricts a
// query parameter, the problem must name it.
func (f *fixture) hostileParameters(t *testing.T, r rule, o operation) {
	for _, p := range o.Parameters {
		if p.In == "path" {
			continue
		}
		for _, text := range append([]string{""}, hostile...) {
			request := f.request(r)
			switch {
			case p.In == "query":
				path, _, _ := strings.Cut(request.Path, "?")
				request.Path = path + "?" + p.Name + "=" + url.QueryEscape(text)
			case strings.ContainsAny(text, "\x00\r\n"):
				continue // no HTTP client sends these in a header
			default:
				request.Header[p.Name] = text
			}
			a := sendRequest(t, f.allowedCaller(r), request)
			s := p.Schema
			restricted := s.Type == "integer" || s.Type == "boolean" || s.Pattern != "" || s.Enum != nil
			if p.In == "query" && text != "" && restricted {
				assert.True(t, a.Status >= 400 && hasError(a.Problem(), "query."+p.Name),
					"%s answers %d: %.200s", request.Path, a.Status, a.Body)
			}
		}
	}
}

// hostileBody removes each member of a valid body, and replaces it by null, by hostile texts and by a huge text. The
// problem must name the member with the huge text.
func (f *fixture) hostileBody(t *testing.T, r rule, o operation) {
	if !o.takesJSON() {
		return
	}
	request := f.request(r)
	valid, ok := request.Body.(string)
	require.True(t, ok, "the test has no valid body for this operation")
	send := func(body any) *api.Answer {
		request.Header["Idempotency-Key"] = api.NewKey()
		request.Body = body
		return sendRequest(t, f.allowedCaller(r), request)
	}
	send(nil)
	send("null")
	var example any
	require.NoError(t, json.Unmarshal([]byte(valid), &example))
	for _, m := range members(example, "body") {
		send(m.changed(nil, true))
		send(m.changed(nil, false))
		switch m.value.(type) {
		case string:
			for _, text := range hostile {
				send(m.changed(text, false))
			}
			a := send(m.changed(huge, false))
			assert.True(t, a.Status >= 400 && hasError(a.Problem(), m.location),
				"%s with a huge text: %d %.300s", m.location, a.Status, a.Body)
		case float64:
			for _, number := range []json.Number{"9223372036854775807", "-9223372036854775808", "1e308", "1e-7", "-0"} {
				send(m.changed(number, false))
			}
		}
	}
}

// member is a member or an element of a JSON value.
type member struct {
	location string
	value    any
	changed  func(to any, missing bool) any // returns the whole JSON value with this member changed or removed
}

// members lists the members and elements of a JSON value, at any depth.
func members(v any, at string) (list []member) {
	add := func(location string, value any, set func(to any, missing bool) any) {
		list = append(list, member{location, value, set})
		for _, m := range members(value, location) {
			list = append(list, member{m.location, m.value, func(to any, missing bool) any {
				return set(m.changed(to, missing), false)
			}})
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			add(at+"."+name, value, func(to any, missing bool) any {
				c := with(v, name, to)
				if missing {
					delete(c, name)
				}
				return c
			})
		}
	case []any:
		for i, value := range v {
			add(fmt.Sprintf("%s[%d]", at, i), value, func(to any, missing bool) any {
				if missing {
					return slices.Delete(slices.Clone(v), i, i+1)
				}
				c := slices.Clone(v)
				c[i] = to
				return c
			})
		}
	}
	return list
}
