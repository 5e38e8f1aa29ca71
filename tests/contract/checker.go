package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
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

var parameter = regexp.MustCompile(`\\\{[^/]*\\\}`)

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
