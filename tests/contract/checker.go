package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"gopkg.in/yaml.v3"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
)

// Checker validates events and calls by the documents in api. It is safe for concurrent use.
type Checker struct {
	compiler   *jsonschema.Compiler
	operations map[string][]operation // by app
	messages   map[string]string      // by types of events, the names of the schemas of their messages

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
	seen     map[string]int // what was valid, by names such as "event order.placed" and "call orders POST /feed"
	wrong    map[string]int // what was not, by its description
	ignored  [][]byte
}

// operation is one that a document in api/internal describes.
type operation struct {
	method, path string
	matches      *regexp.Regexp
	query        []string
	takesJSON    bool
	responses    map[string]string // by status and content type ("200 application/json"), the location of the schema
}

// NewChecker reads the documents of a checkout.
func NewChecker(root string) (*Checker, error) {
	c := &Checker{compiler: jsonschema.NewCompiler(), operations: map[string][]operation{},
		messages: map[string]string{}, compiled: map[string]*jsonschema.Schema{}, seen: map[string]int{},
		wrong: map[string]int{}}
	c.compiler.AssertFormat()
	if err := c.readEvents(filepath.Join(root, "api", "asyncapi.yaml")); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(root, "api", "internal", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		if err := c.readOperations(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return c, nil
}

const (
	eventsDocument = "asyncapi.json"
	eventSchemas   = eventsDocument + "#/components/schemas/"
)

// readEvents reads the description of the events. A consumer must accept members that it does not know, but a member
// that the shop sends must be described.
func (c *Checker) readEvents(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	encoded, err := json.Marshal(document) // jsonschema wants the types of JSON
	if err != nil {
		return err
	}
	if document, err = jsonschema.UnmarshalJSON(bytes.NewReader(encoded)); err != nil {
		return err
	}
	components := document.(map[string]any)["components"].(map[string]any)
	for name, schema := range components["schemas"].(map[string]any) {
		switch s := schema.(map[string]any); {
		case s["allOf"] != nil:
			s["unevaluatedProperties"] = false
		case name != "CloudEvent" && name != "Event": // allOf adds to these
			s["additionalProperties"] = false
		}
	}
	for eventType, message := range components["messages"].(map[string]any) {
		to := message.(map[string]any)["payload"].(map[string]any)["$ref"].(string)
		c.messages[eventType] = strings.TrimPrefix(to, "#/components/schemas/")
	}
	return c.compiler.AddResource(eventsDocument, document)
}

// readOperations reads the description of the operations of an app.
func (c *Checker) readOperations(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if err := c.compiler.AddResource(filepath.Base(path), document); err != nil {
		return err
	}
	type content struct {
		Content map[string]json.RawMessage
	}
	var d struct {
		Paths map[string]map[string]struct {
			Parameters  []struct{ Name, In string }
			RequestBody content
			Responses   map[string]struct {
				Ref string `json:"$ref"`
				content
			}
		}
		Components struct{ Responses map[string]content }
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	app := strings.TrimSuffix(filepath.Base(path), ".json")
	for path, methods := range d.Paths {
		for method, described := range methods {
			o := operation{method: strings.ToUpper(method), path: path, matches: matcher(path),
				takesJSON: described.RequestBody.Content["application/json"] != nil, responses: map[string]string{}}
			for _, p := range described.Parameters {
				if p.In == "query" {
					o.query = append(o.query, p.Name)
				}
			}
			for status, r := range described.Responses {
				at, types := pointer("paths", path, method, "responses", status), r.Content
				if name, shared := strings.CutPrefix(r.Ref, "#/components/responses/"); shared {
					at, types = pointer("components", "responses", name), d.Components.Responses[name].Content
				}
				o.responses[status] = ""
				for contentType := range types {
					o.responses[status+" "+contentType] = at + pointer("content", contentType, "schema")
				}
			}
			c.operations[app] = append(c.operations[app], o)
		}
	}
	return nil
}

var parameter = regexp.MustCompile(`\\\{[^/]*\\\}`)

// matcher matches the paths that a template describes.
func matcher(template string) *regexp.Regexp {
	return regexp.MustCompile("^" + parameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+") + "$")
}

// pointer makes a JSON pointer (RFC 6901).
func pointer(names ...string) (at string) {
	for _, name := range names {
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return at
}

// Ignore makes the checker ignore messages with this data, which a test has published to see how an app refuses it.
func (c *Checker) Ignore(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ignored = append(c.ignored, compact(data))
}

func compact(data []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return data
	}
	return b.Bytes()
}

// Findings describes everything that the documents do not, with how often it was seen.
func (c *Checker) Findings() (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range slices.Sorted(maps.Keys(c.wrong)) {
		list = append(list, fmt.Sprintf("%s (seen %d times)", text, c.wrong[text]))
	}
	return list
}

// Seen returns how often everything was seen that is as its document describes it: "message order.placed", "event
// order.placed" of a feed, and "call orders POST /internal/contacts".
func (c *Checker) Seen() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.seen)
}

// note counts what was checked.
func (c *Checker) note(what string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.seen[what]++
	} else {
		c.wrong[what+": "+err.Error()]++
	}
}

// validate validates a JSON value by the schema at a location.
func (c *Checker) validate(location string, text []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("it is not JSON: %w", err)
	}
	c.mu.Lock()
	schema := c.compiled[location]
	if schema == nil {
		if schema, err = c.compiler.Compile(location); err == nil {
			c.compiled[location] = schema
		}
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return withoutValues(schema.Validate(value))
}

// withoutValues keeps of the error of a validation where and which keyword: values differ, and may be personal.
func withoutValues(err error) error {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var list []string
	var add func(e *jsonschema.ValidationError)
	add = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			add(cause)
		}
		if len(e.Causes) == 0 {
			at := "/" + strings.Join(e.InstanceLocation, "/")
			if n := len(e.InstanceLocation); n > 0 && isNumber(e.InstanceLocation[n-1]) {
				at = "/" + strings.Join(e.InstanceLocation[:n-1], "/") + "/…"
			}
			list = append(list, at+": "+fault(e.ErrorKind))
		}
	}
	add(invalid)
	slices.Sort(list)
	return errors.New(strings.Join(slices.Compact(list), "; "))
}

// fault names what is wrong, without the value.
func fault(e jsonschema.ErrorKind) string {
	switch e := e.(type) {
	case *kind.AdditionalProperties:
		return "not described: " + strings.Join(e.Properties, ", ")
	case *kind.Required:
		return "missing: " + strings.Join(e.Missing, ", ")
	case *kind.FalseSchema:
		return "not described"
	}
	return strings.Join(e.KeywordPath(), " ")
}

func isNumber(s string) bool { _, err := strconv.Atoi(s); return err == nil }

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
