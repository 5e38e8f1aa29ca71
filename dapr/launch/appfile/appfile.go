// Package appfile reads app.yaml, in which an app that joins the shop says what it runs, follows, publishes, calls and
// serves, or which app of the shop it replaces. The app may be written in any language and lie in any folder.
// docs/joining.md describes the file.
package appfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"haberdash/internal/roster"
)

// Name is the name of the file in the folder of the app.
const Name = "app.yaml"

// Parts of the contract that not every app keeps. docs/contract.md describes them under "What an app must answer".
const (
	PartConsumers   = "consumers"    // its positions
	PartDeadLetters = "dead-letters" // and what administrators do with them
	PartExport      = "export"
)

// Parts are all of them.
var Parts = []string{PartConsumers, PartDeadLetters, PartExport}

// App is an app that joins the shop, or replaces one of its apps.
type App struct {
	Path   string   `yaml:"-"`       // of the file, as errors name it
	Dir    string   `yaml:"-"`       // absolute: the folder of the file, in which the command runs
	ID     string   `yaml:"id"`      // of an app that replaces another: the id of that app
	Port   int      `yaml:"port"`    // 0: one that is free
	Build  []string `yaml:"build"`   // a command that runs when make up starts the shop
	Start  []string `yaml:"command"` // starts the app
	Ready  string   `yaml:"ready"`   // path of the check whether the app is ready; default /readyz
	Health string   `yaml:"health"`  // path of the check of the sidecar whether the app lives; default /healthz

	Replaces string `yaml:"replaces"` // the app of the shop in whose place, and beside whose sidecar, the app runs

	Follows   []Topic           `yaml:"follows"`
	Publishes []string          `yaml:"publishes"` // the app's own topics
	Calls     []Call            `yaml:"calls"`
	Serves    []string          `yaml:"serves"`  // public addresses, in the syntax of chi, below /api/v1/<id>
	OpenAPI   string            `yaml:"openapi"` // path of the description of what it serves; default /openapi.json
	Uses      []string          `yaml:"uses"`    // other Dapr components: state, workflow, mail
	Secrets   []string          `yaml:"secrets"`
	Settings  []string          `yaml:"settings"` // variables that the app gets from the environment of make up
	Env       map[string]string `yaml:"env"`      // variables with values that the environment of make up may replace
	Keeps     []string          `yaml:"keeps"`    // parts of the contract that make conform holds the app to
}

// Topic is a topic that an app receives.
type Topic struct {
	Topic string `yaml:"topic"`
	Path  string `yaml:"path"`  // to which its events are posted; default /events/<topic>
	Rules []Rule `yaml:"rules"` // other paths for some events; the first rule that matches decides
	Bulk  bool   `yaml:"bulk"`  // several events in one request, as Dapr's bulk subscriptions deliver them
}

// Rule sends the events that an expression of the CEL matches to a path: see Dapr's routing of messages.
type Rule struct {
	Match string `yaml:"match"`
	Path  string `yaml:"path"`
}

// Call is an operation of another app.
type Call struct {
	App    string `yaml:"app"`
	Method string `yaml:"method"`
	Path   string `yaml:"path"` // a final "/*" stands for everything below
}

// UnmarshalYAML accepts the name of a topic alone.
func (t *Topic) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		t.Topic = n.Value
		return nil
	}
	type plain Topic
	return decode(n, (*plain)(t))
}

// UnmarshalYAML refuses unknown members, which Node.Decode does not.
func (c *Call) UnmarshalYAML(n *yaml.Node) error {
	type plain Call
	return decode(n, (*plain)(c))
}

// decode decodes a node and refuses unknown members.
func decode(n *yaml.Node, to any) error {
	if n.Kind == yaml.MappingNode {
		known := members(to)
		for i := 0; i < len(n.Content); i += 2 {
			if key := n.Content[i]; !slices.Contains(known, key.Value) {
				return fmt.Errorf("line %d: unknown member %q: the members are %s", key.Line, key.Value,
					strings.Join(known, ", "))
			}
		}
	}
	return n.Decode(to)
}

// Read reads the app.yaml of a folder. Its errors name the file and the line.
func Read(dir string) (App, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return App{}, err
	}
	path := filepath.Join(dir, Name)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return App{}, fmt.Errorf("%s does not exist: the folder of an app that joins the shop has one", path)
	case err != nil:
		return App{}, err
	}
	a, err := parse(text)
	if err != nil {
		return App{}, fmt.Errorf("%s:%w", path, err)
	}
	a.Path, a.Dir = path, abs
	return a, nil
}

// parse reads the text of a file. An error begins with the number of its line.
func parse(text []byte) (App, error) {
	var a App
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&root); err != nil {
		return a, fmt.Errorf("1: not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&yaml.Node{}); err == nil {
		return a, errors.New("1: more than one document")
	}
	body := root.Content[0]
	if body.Kind != yaml.MappingNode {
		return a, fmt.Errorf("%d: expected members such as `id: loyalty`", body.Line)
	}
	if err := decode(body, &a); err != nil {
		return a, numbered(err)
	}
	a.fill()
	if a.Replaces != "" {
		if err := a.checkReplacement(lines{body}); err != nil {
			return a, err
		}
		a.ID = a.Replaces
	}
	return a, a.check(lines{body})
}

var lineOf = regexp.MustCompile(`line (\d+): `)

// numbered moves the line of an error of the YAML library to its beginning.
func numbered(err error) error {
	var several *yaml.TypeError
	text := err.Error()
	if errors.As(err, &several) {
		text = several.Errors[0]
	}
	if m := lineOf.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s: %s", m[1], strings.Replace(text, m[0], "", 1))
	}
	return fmt.Errorf("1: %s", text)
}

// Defaults that every app of the shop has, too.
const (
	defaultReady   = "/readyz"
	defaultOpenAPI = "/openapi.json"
)

// fill sets the defaults.
func (a *App) fill() {
	for field, value := range map[*string]string{
		&a.Ready: defaultReady, &a.Health: "/healthz", &a.OpenAPI: defaultOpenAPI,
	} {
		if *field == "" {
			*field = value
		}
	}
	for i := range a.Follows {
		if t := &a.Follows[i]; t.Path == "" {
			t.Path = "/events/" + t.Topic
		}
	}
}

// Logs returns the logs whose events the app follows.
func (a App) Logs() (logs []roster.Log) {
	for _, t := range a.Follows {
		logs = append(logs, logsOf(t.Topic)...)
	}
	return logs
}

// logsOf returns the logs of the shop that publish to a topic.
func logsOf(topic string) (logs []roster.Log) {
	for _, app := range roster.Apps() {
		for _, l := range app.Logs {
			if l.Topic == topic {
				logs = append(logs, l)
			}
		}
	}
	return logs
}

// Entry describes the app as the roster describes those of the shop. A topic of another app that joins is in Topics of
// its roster entry by its name only.
func (a App) Entry() roster.App {
	entry := roster.App{
		ID: a.ID, Port: a.Port, Public: a.Serves, Components: a.Uses, Stateless: !slices.Contains(a.Uses, "state"),
	}
	for _, topic := range a.Publishes {
		entry.Logs = append(entry.Logs, roster.Log{App: a.ID, Topic: topic})
	}
	for _, t := range a.Follows {
		entry.Follows = append(entry.Follows, roster.Log{Topic: t.Topic})
	}
	return entry
}
