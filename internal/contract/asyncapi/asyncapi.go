// Package asyncapi writes api/asyncapi.yaml, the description of all events that the shop publishes, and api/events, a
// JSON Schema for each type of events. Both follow from the types of internal/contract, their comments, and
// contract.Published. A test compares the files with what this package makes:
//
//	go test ./internal/contract/asyncapi -update
package asyncapi

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"gopkg.in/yaml.v3"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
)

// Version is the version of the document. A new type of events or a new member raises the second number. A type of
// events that ends, or a shape with a new version, raises the first.
const Version = "1.0.0"

func init() { huma.DefaultArrayNullable = false } // as in internal/httpx: a list without items is []

// CloudEvent is a message of the broker, as Dapr delivers it to a subscriber: a CloudEvent 1.0 in structured mode. Its
// data is the Event.
type CloudEvent struct {
	SpecVersion     string    `json:"specversion" enum:"1.0"`
	ID              string    `json:"id"`      // the id of the Event, by which an app recognises repetitions
	Source          string    `json:"source"`  // the app that publishes the Event
	Type            string    `json:"type"`    // the type of the Event, such as "order.confirmed"
	Subject         string    `json:"subject"` // the aggregate of the Event, such as "order/<id>"
	Time            time.Time `json:"time"`    // the time of the Event
	DataContentType string    `json:"datacontenttype" enum:"application/json"`
	DataSchema      string    `json:"dataschema"`            // the $id of the JSON Schema of data
	DataVersion     string    `json:"dataversion"`           // the version of the Event
	Topic           string    `json:"topic"`                 // Dapr's attribute
	PubsubName      string    `json:"pubsubname"`            // Dapr's attribute: the name of the component
	TraceParent     string    `json:"traceparent,omitempty"` // of the command that has caused the Event (W3C)
	TraceID         string    `json:"traceid,omitempty"`     // Dapr's copy of traceparent
	TraceState      string    `json:"tracestate,omitempty"`  // of the trace (W3C)
	Expiration      time.Time `json:"expiration,omitzero"`   // Dapr's attribute, if a message has a lifetime
	Data            any       `json:"data"`                  // an Event
}

// Files makes the files by their paths from the root of the repository, which has the sources.
func Files(root string) (map[string][]byte, error) {
	documented, err := readComments(filepath.Join(root, "internal", "contract"),
		filepath.Join(root, "internal", "contract", "asyncapi"), filepath.Join(root, "internal", "money"))
	if err != nil {
		return nil, err
	}
	described, err := describe(newSchemas(documented))
	if err != nil {
		return nil, err
	}
	text, err := encode("# Written by 'go test ./internal/contract/asyncapi -update' from internal/contract.\n", described)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"api/asyncapi.yaml": text}
	var document struct {
		Components struct{ Schemas map[string]any }
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	for _, t := range contract.Published() {
		var schema bytes.Buffer
		out := json.NewEncoder(&schema)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		if err := out.Encode(standalone(t, document.Components.Schemas)); err != nil {
			return nil, err
		}
		files[schemaFile(t)] = schema.Bytes()
	}
	return files, nil
}

func schemaFile(t contract.EventType) string {
	return "api/events/" + t.Type + "." + strconv.Itoa(t.Version) + ".json"
}

// describe makes the AsyncAPI document.
func describe(s *schemas) (object, error) {
	var channels, operations, messages, events object
	for _, log := range logs() {
		var inChannel object
		var ofOperation []any
		for _, t := range contract.Published() {
			if t.Topic != log.Topic {
				continue
			}
			messages = append(messages, member{t.Type, message(t)})
			events = append(events, s.eventSchemas(t, log.App)...)
			inChannel = append(inChannel, member{t.Type, ref("#/components/messages/" + t.Type)})
			ofOperation = append(ofOperation, ref("#/channels/"+log.Topic+"/messages/"+t.Type))
		}
		channels = append(channels, member{log.Topic, object{
			{"address", log.Topic},
			{"title", "The topic " + log.Topic},
			{"description", "The events of the log " + log.Name + " of the app " + log.App + ". The key of a message is the " +
				"name of the log, so that a broker with keys delivers the events of one log in their order."},
			{"messages", inChannel},
			{"x-pubsubname", "pubsub"}, {"x-feed", "/feed/" + log.Name},
		}})
		operations = append(operations, member{"publish-" + log.Topic, object{
			{"action", "send"},
			{"channel", ref("#/channels/" + log.Topic)},
			{"title", "Events of " + log.App},
			{"summary", "The app " + log.App + " publishes each event at least once."},
			{"messages", ofOperation},
			{"x-app", log.App},
		}})
	}
	s.refTo(typeOf[CloudEvent]())
	s.refTo(typeOf[contract.Event]())
	shared, err := s.all()
	if err != nil {
		return nil, err
	}
	return object{
		{"asyncapi", "3.0.0"},
		{"info", object{
			{"title", "Haberdash events"},
			{"version", Version},
			{"description", "All events that the apps of Haberdash publish. docs/contract.md says how they are delivered " +
				"and what a consumer must do. Consumers ignore members that they do not know."},
			{"license", object{{"name", "Apache-2.0"}, {"url", "https://www.apache.org/licenses/LICENSE-2.0"}}},
			{"x-erasure", contract.Erasure},
		}},
		{"defaultContentType", "application/cloudevents+json"},
		{"channels", channels},
		{"operations", operations},
		{"components", object{{"messages", messages}, {"schemas", slices.Concat(shared, events)}}},
	}, nil
}

// logs lists the logs of the apps that publish events.
func logs() (list []roster.Log) {
	for _, app := range roster.Apps() {
		list = append(list, app.Logs...)
	}
	return list
}

func message(t contract.EventType) object {
	m := object{
		{"name", t.Type},
		{"title", t.Type},
		{"summary", t.Summary},
		{"contentType", "application/cloudevents+json"},
		{"payload", ref(schemaPrefix + schemaName(t))},
		{"x-version", t.Version},
		{"x-dataschema", contract.SchemaOf(t.Type, t.Version)},
		{"x-schema-file", strings.TrimPrefix(schemaFile(t), "api/")},
		{"x-aggregate", t.Aggregate},
	}
	if len(t.Personal) > 0 {
		m = append(m, member{"x-personal-data", t.Personal})
	}
	return m
}

// eventSchemas returns the schema of a message, and that of the event in it.
func (s *schemas) eventSchemas(t contract.EventType, app string) object {
	name := schemaName(t)
	event := object{
		{"type", "object"},
		{"properties", object{
			{"type", constant(t.Type)},
			{"source", constant(app)},
			{"aggregate", pattern(t.Aggregate)},
			{"version", object{{"const", t.Version}, {"type", "integer"}}},
			{"data", s.refTo(t.Data)},
		}},
		{"required", []string{"type", "source", "aggregate", "data"}},
	}
	message := object{
		{"type", "object"},
		{"properties", object{
			{"type", constant(t.Type)},
			{"source", constant(app)},
			{"subject", pattern(t.Aggregate)},
			{"topic", constant(t.Topic)},
			{"dataschema", constant(contract.SchemaOf(t.Type, t.Version))},
			{"dataversion", constant(strconv.Itoa(t.Version))},
			{"data", ref(schemaPrefix + name + "Event")},
		}},
		{"required", []string{"type", "source", "subject", "topic", "dataschema", "dataversion", "data"}},
	}
	return object{
		{name, object{{"title", name}, {"description", "The message of " + t.Type + ". " + t.Summary},
			{"allOf", []any{s.refTo(typeOf[CloudEvent]()), message}}}},
		{name + "Event", object{{"title", name + "Event"}, {"description", "The event " + t.Type + ". " + t.Summary},
			{"allOf", []any{s.refTo(typeOf[contract.Event]()), event}}}},
	}
}

func constant(value string) object { return object{{"const", value}, {"type", "string"}} }

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// pattern matches the aggregates of a form such as "order/{orderId}".
func pattern(form string) object {
	return object{{"type", "string"}, {"pattern", "^" + parameter.ReplaceAllString(form, ".+") + "$"}}
}

// schemaName returns the name of the schema of a message: OrderRestEnded for order.rest-ended.
func schemaName(t contract.EventType) (name string) {
	for _, word := range strings.FieldsFunc(t.Type, func(r rune) bool { return r == '.' || r == '-' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// standalone returns the schema of a type of events (not of its message), which refers to no other file.
func standalone(t contract.EventType, all map[string]any) map[string]any {
	definitions := map[string]any{}
	var inline func(v any) any
	inline = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			copied := map[string]any{}
			for name, value := range v {
				copied[name] = inline(value)
			}
			if to, ok := v["$ref"].(string); ok {
				name := strings.TrimPrefix(to, schemaPrefix)
				copied["$ref"] = "#/$defs/" + name
				if _, done := definitions[name]; !done {
					definitions[name] = nil // a cycle would end here
					definitions[name] = inline(all[name])
				}
			}
			return copied
		case []any:
			copied := make([]any, len(v))
			for i := range v {
				copied[i] = inline(v[i])
			}
			return copied
		}
		return v
	}
	schema := inline(all[schemaName(t)+"Event"]).(map[string]any)
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$id"] = contract.SchemaOf(t.Type, t.Version)
	schema["$defs"] = definitions
	return schema
}
