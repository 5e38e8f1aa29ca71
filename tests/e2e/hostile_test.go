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

// hostile are texts that mean something to a database, a store, a file system, a template, a mailer or a terminal.
var hostile = []string{
	`' OR '1'='1' --`, `x'); DROP TABLE state; --`, `{"$gt":""}`, `../../../../etc/passwd`, `..%2f..%2finternal%2fquotes`,
	`users||signing-keys`, "a\x00b", "a\r\nX-Evil: 1", "\xff\xfe", `${jndi:ldap://x}{{7*7}}`, "\u202eevil\U0001F9F5",
	strings.Repeat("x", 3_000),
}

// huge is longer than any text that the API has a use for, and shorter than what the gateway lets in.
var huge = strings.Repeat("ä", 200_000)

// Whatever stands in a path, a query, a header or a body is taken or refused: never 500, and an error is a problem (the
// client's Check sees to both). It comes from somebody who is let in, and stands beside values that are good: so it
// gets as far as it can.
func TestHostileInputOnEveryRoute(t *testing.T) {
	guest(t)
	world, all, done := newWorld(t), operations(t), map[string]bool{}
	for _, r := range rules(t) {
		name := r.operation()
		if done[name] {
			continue
		}
		done[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := *world
			w.values = maps.Clone(world.values)
			w.hostilePath(t, r)
			w.hostileParameters(t, r, all[name])
			w.hostileBody(t, r, all[name])
		})
	}
}

// welcome is a caller who is let in, the humblest.
func (w *world) welcome(r rule) *api.Client {
	for _, caller := range []string{"nobody", "owner"} {
		if !refusal(r.want[caller]) {
			return w.callers[caller][0]
		}
	}
	return w.callers["admin"][0]
}

func (w *world) hostilePath(t *testing.T, r rule) {
	for _, name := range placeholder.FindAllString(r.path, -1) {
		for _, text := range hostile {
			odd := r
			odd.path = strings.Replace(r.path, name, url.PathEscape(text), 1)
			a := ask(t, w.welcome(r), w.requestOf(r.operation(), odd))
			if !strings.Contains(r.path, "{cart}/") || r.method != http.MethodDelete { // taking out what is not there is no error
				assert.True(t, a.Status >= 400, "%s %.100q answers %d: %.200s", r.method, odd.path, a.Status, a.Body)
			}
		}
	}
}

// hostileParameters spoils each parameter in the query and the header. A query that can be told to be wrong is named.
func (w *world) hostileParameters(t *testing.T, r rule, o operation) {
	for _, p := range o.Parameters {
		if p.In == "path" {
			continue
		}
		for _, text := range append([]string{""}, hostile...) {
			request := w.request(r)
			switch {
			case p.In == "query":
				path, _, _ := strings.Cut(request.Path, "?")
				request.Path = path + "?" + p.Name + "=" + url.QueryEscape(text)
			case strings.ContainsAny(text, "\x00\r\n"):
				continue // no HTTP client sends these in a header
			default:
				request.Header[p.Name] = text
			}
			a := ask(t, w.welcome(r), request)
			if s := p.Schema; p.In == "query" && text != "" && (s.Type == "integer" || s.Type == "boolean" || s.Pattern != "" || s.Enum != nil) {
				assert.True(t, a.Status >= 400 && names(a.Problem(), "query."+p.Name), "%s answers %d: %.200s", request.Path, a.Status, a.Body)
			}
		}
	}
}

// hostileBody leaves each member of the good body out, puts each hostile text in its place, and something huge, which
// has to be refused by name.
func (w *world) hostileBody(t *testing.T, r rule, o operation) {
	if !o.takesJSON() {
		return
	}
	request := w.request(r)
	good, ok := request.Body.(string)
	require.True(t, ok, "an example of a good body is missing")
	send := func(body any) *api.Answer {
		request.Header["Idempotency-Key"] = api.NewKey()
		request.Body = body
		return ask(t, w.welcome(r), request)
	}
	send(nil)
	send("null")
	var example any
	require.NoError(t, json.Unmarshal([]byte(good), &example))
	for _, m := range members(example, "body") {
		send(m.changed(nil, true))
		send(m.changed(nil, false))
		switch m.value.(type) {
		case string:
			for _, text := range hostile {
				send(m.changed(text, false))
			}
			a := send(m.changed(huge, false))
			assert.True(t, a.Status >= 400 && names(a.Problem(), m.location), "%s huge: %d %.300s", m.location, a.Status, a.Body)
		case float64:
			for _, number := range []json.Number{"9223372036854775807", "-9223372036854775808", "1e308", "1e-7", "-0"} {
				send(m.changed(number, false))
			}
		}
	}
}

// member is a place in a JSON value.
type member struct {
	location string
	value    any
	changed  func(to any, missing bool) any // the whole value with another member, or without it
}

// members lists the members of a JSON value, at any depth.
func members(v any, at string) (list []member) {
	add := func(location string, value any, set func(to any, missing bool) any) {
		list = append(list, member{location, value, set})
		for _, m := range members(value, location) {
			list = append(list, member{m.location, m.value, func(to any, missing bool) any { return set(m.changed(to, missing), false) }})
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
