package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
)

// Event checks an event of a feed.
func (c *Checker) Event(text []byte) {
	eventType, err := typeIn(text)
	if err == nil {
		err = c.checkEvent(eventType, text)
	}
	c.note("event "+eventType, err)
}

func (c *Checker) checkEvent(eventType string, text []byte) error {
	if c.messages[eventType] == "" {
		return errors.New("api/asyncapi.yaml does not describe the type")
	}
	return c.validate(eventSchemas+c.messages[eventType]+"Event", text)
}

func typeIn(text []byte) (string, error) {
	var e struct {
		Type string `json:"type"`
	}
	err := json.Unmarshal(text, &e)
	return e.Type, err
}

// Exchange checks a request that an app has received: a delivery of messages, or a call by another app. It ignores a
// delivery that no sidecar has sent, which the app refuses with 401.
func (c *Checker) Exchange(x Exchange) {
	path := x.Request.URL.Path
	topic, delivery := strings.CutPrefix(path, "/events/")
	switch {
	case delivery && x.Status == http.StatusUnauthorized:
	case delivery && x.Request.Method == http.MethodPost:
		c.deliveries(topic, x.Body)
	case operational[path] || strings.HasPrefix(path, "/debug/pprof/") || isPublic(x.App, path):
	default:
		c.call(x)
	}
}

// operational are the addresses that docs/contract.md describes, and those that only sidecars call.
var operational = map[string]bool{
	"/healthz": true, "/readyz": true, "/metrics": true, "/openapi.json": true,
	"/dapr/config": true, "/dapr/subscribe": true, "/": true,
}

// isPublic reports whether the gateway routes clients to an address, which api/openapi.json describes. Apps call but
// one of these addresses, to get the keys of access tokens.
func isPublic(app, path string) bool {
	if path == "/.well-known/jwks.json" {
		return false
	}
	for _, p := range roster.PublicPatterns(app) {
		prefix, _, open := strings.Cut(p, "{app}")
		if !open {
			prefix, open = strings.CutSuffix(p, "*")
		}
		if path == p || open && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// deliveries checks the messages of a delivery, which may be a bulk.
func (c *Checker) deliveries(topic string, body []byte) {
	var bulk struct {
		Entries []struct{ Event json.RawMessage }
	}
	if err := json.Unmarshal(body, &bulk); err != nil {
		c.note("delivery of "+topic, errors.New("it is not JSON"))
		return
	}
	if bulk.Entries == nil {
		c.message(topic, body)
	}
	for _, e := range bulk.Entries {
		c.message(topic, e.Event)
	}
}

// message checks a message of a topic. One of a dead-letter topic has the attributes that the broker gave it on the
// way, so only the event in it is checked.
func (c *Checker) message(topic string, text []byte) {
	var m struct{ Data json.RawMessage }
	if err := json.Unmarshal(text, &m); err == nil && c.ignores(m.Data) {
		return
	}
	if strings.HasSuffix(topic, "-dead") {
		c.Event(m.Data)
		return
	}
	eventType, err := typeIn(text)
	switch {
	case err != nil:
	case c.messages[eventType] == "":
		err = errors.New("api/asyncapi.yaml does not describe the type")
	default:
		err = c.validate(eventSchemas+c.messages[eventType], text)
	}
	if t, _ := contract.PublishedType(eventType); err == nil && t.Topic != topic {
		err = errors.New("it is on the topic " + topic)
	}
	c.note("message "+eventType, err)
}

func (c *Checker) ignores(data []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.ignored, func(i []byte) bool { return bytes.Equal(i, compact(data)) })
}

// call checks a call of an operation that is not public.
func (c *Checker) call(x Exchange) {
	name := "call " + x.App + " " + x.Request.Method + " "
	i := slices.IndexFunc(c.operations[x.App], func(o operation) bool {
		return o.method == x.Request.Method && o.matches.MatchString(x.Request.URL.EscapedPath())
	})
	if i < 0 {
		caller, absent := x.Request.Header.Get("dapr-caller-app-id"),
			x.Status == http.StatusNotFound || x.Status == http.StatusMethodNotAllowed
		if absent && (caller == "" || caller == x.App) || x.Status == http.StatusUnauthorized {
			return // a test that looks for what is not there (no app calls itself), or that forges a call
		}
		c.note(name+x.Request.URL.Path, fmt.Errorf("api/internal/%s.json does not describe it, and the app answers %d",
			x.App, x.Status))
		return
	}
	o := c.operations[x.App][i]
	c.note(name+o.path, c.checkCall(o, x))
}

func (c *Checker) checkCall(o operation, x Exchange) error {
	if x.Status < http.StatusBadRequest { // else the app has found the fault in the request itself
		for name := range x.Request.URL.Query() {
			if !slices.Contains(o.query, name) {
				return errors.New("the parameter " + name + " is not described")
			}
		}
		if o.takesJSON {
			at := x.App + ".json#" + pointer("paths", o.path, strings.ToLower(o.method), "requestBody", "content",
				"application/json", "schema")
			if err := c.validate(at, x.Body); err != nil {
				return fmt.Errorf("the request: %w", err)
			}
		}
	}
	status := strconv.Itoa(x.Status)
	if _, described := o.responses[status]; !described {
		return errors.New("the status " + status + " is not described")
	}
	if len(x.Response) == 0 {
		return nil
	}
	contentType, _, _ := strings.Cut(x.Header.Get("Content-Type"), ";")
	at, described := o.responses[status+" "+contentType]
	switch {
	case !described:
		return fmt.Errorf("the content type %s of the status %s is not described", contentType, status)
	case !strings.HasSuffix(contentType, "json"):
		return nil // such as a stream of lines
	}
	if err := c.validate(x.App+".json#"+at, x.Response); err != nil {
		return fmt.Errorf("the response %s: %w", status, err)
	}
	return nil
}
