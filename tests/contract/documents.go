package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// operation is one that a document in api/internal describes.
type operation struct {
	method, path string
	matches      *regexp.Regexp
	query        []string
	takesJSON    bool
	responses    map[string]string // by status and content type ("200 application/json"), the location of the schema
}

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
