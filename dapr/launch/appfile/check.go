package appfile

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"haberdash/internal/roster"
)

// Bounds of what a file may contain: enough for any app, and too little to make a gateway or a sidecar slow.
const (
	maxParts = 50  // members of a list
	maxText  = 256 // characters of a name, path or argument
)

var (
	validTopic    = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,78}[a-z0-9]$`)
	validPath     = regexp.MustCompile(`^(/[A-Za-z0-9._~{}-]+)+$`)
	validVariable = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
)

// reserved are the names of other processes, and endings of names that the launcher gives.
var reserved = []string{"broker", "scheduler", "placement", "sentry", "dapr", "daprd"}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// components are the Dapr components that an app may ask for. secrets and pubsub follow from the other members.
var components = []string{"state", "workflow", "mail"}

// lines finds the lines of members.
type lines struct{ root *yaml.Node }

// of returns the line of a member of the file, or of an element of its list if an index is given.
func (l lines) of(member string, index ...int) int {
	for i := 0; i < len(l.root.Content); i += 2 {
		key, value := l.root.Content[i], l.root.Content[i+1]
		if key.Value != member {
			continue
		}
		if len(index) > 0 && index[0] < len(value.Content) {
			return value.Content[index[0]].Line
		}
		return key.Line
	}
	return l.root.Line
}

// has reports whether the file has a member.
func (l lines) has(member string) bool {
	for i := 0; i < len(l.root.Content); i += 2 {
		if l.root.Content[i].Value == member {
			return true
		}
	}
	return false
}

// members returns the names of a struct's members in YAML.
func members(of any) (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeOf(of).Elem()) {
		if name := f.Tag.Get("yaml"); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// check refuses what cannot be. The error begins with a line.
func (a App) check(l lines) error {
	wrong := func(line int, format string, args ...any) error {
		return fmt.Errorf("%d: %s", line, fmt.Sprintf(format, args...))
	}
	at := func(member string, i int, format string, args ...any) error {
		return wrong(l.of(member, i), "%s: %s", member, fmt.Sprintf(format, args...))
	}
	_, own := roster.Find(a.ID)
	switch {
	case a.ID == "":
		return wrong(l.of("id"), "id is missing: the Dapr app id of the app, such as loyalty")
	case !roster.IsID(a.ID):
		return wrong(l.of("id"), "id: %.80q is not 2 to 40 of a-z, 0-9 and -, with a letter first and no - at the end", a.ID)
	case own && a.Replaces == "":
		return wrong(l.of("id"), "id: the shop itself has an app %q: `replaces` takes its place", a.ID)
	case slices.Contains(reserved, a.ID), strings.HasSuffix(a.ID, "-daprd"), strings.HasSuffix(a.ID, "-dead"):
		return wrong(l.of("id"), "id: %q is the name of another process or topic", a.ID)
	case len(a.Start) == 0 || a.Start[0] == "":
		return wrong(l.of("command"), "command is missing: a program and its arguments, as a list")
	case a.Port < 0 || a.Port > 65535 || a.Port > 0 && a.Port < 1024:
		return wrong(l.of("port"), "port: %d is not a port between 1024 and 65535", a.Port)
	}
	for member, list := range map[string][]string{
		"build": a.Build, "command": a.Start, "publishes": a.Publishes, "serves": a.Serves, "uses": a.Uses,
		"secrets": a.Secrets, "settings": a.Settings, "keeps": a.Keeps,
	} {
		if len(list) > maxParts {
			return wrong(l.of(member), "%s: more than %d", member, maxParts)
		}
		for i, text := range list {
			if len(text) > maxText*4 || strings.ContainsRune(text, 0) {
				return at(member, i, "an element is longer than %d characters or contains a NUL", maxText*4)
			}
		}
	}
	for member, path := range map[string]string{"ready": a.Ready, "health": a.Health, "openapi": a.OpenAPI} {
		if !isPath(path) || strings.Contains(path, "{") {
			return wrong(l.of(member), "%s: %.80q is not a path", member, path)
		}
	}
	return a.checkWiring(l, at, wrong)
}

// Replaceable lists the apps of the shop that others can replace. The gateway is not one: everybody reaches it without
// a sidecar, and it knows all other apps. Nor is the watcher, which only some shops run.
func Replaceable() []string {
	return slices.DeleteFunc(roster.StandardIDs(), func(id string) bool { return id == roster.Gateway })
}

// decidedByTheShop are the members that an app which replaces another cannot have: its sidecar is that of the other
// app, with the same subscriptions, components, secrets and access rules, and it keeps the same parts of the contract.
var decidedByTheShop = []string{"follows", "publishes", "calls", "serves", "uses", "secrets", "keeps"}

// checkReplacement refuses what an app that replaces another cannot have. The error begins with a line.
func (a App) checkReplacement(l lines) error {
	app, _ := roster.Find(a.Replaces)
	wrong := func(member, format string, args ...any) error {
		return fmt.Errorf("%d: %s: %s", l.of(member), member, fmt.Sprintf(format, args...))
	}
	if !slices.Contains(Replaceable(), a.Replaces) {
		return wrong("replaces", "%.80q is none of %s", a.Replaces, strings.Join(Replaceable(), ", "))
	}
	if a.ID != "" && a.ID != a.Replaces {
		return wrong("id", "an app that replaces %s has its id: leave the member out", a.Replaces)
	}
	for _, member := range decidedByTheShop {
		if l.has(member) {
			return wrong(member, "an app that replaces %s gets this from the shop: leave the member out", a.Replaces)
		}
	}
	if a.OpenAPI != defaultOpenAPI {
		return wrong("openapi", "the description of %s is read at %s", a.Replaces, defaultOpenAPI)
	}
	if len(app.Public) > 0 && a.Ready != defaultReady {
		return wrong("ready", "the gateway asks %s at %s", a.Replaces, defaultReady)
	}
	return nil
}

// checkWiring checks what the app has to do with others.
func (a App) checkWiring(
	l lines, at func(string, int, string, ...any) error, wrong func(int, string, ...any) error,
) error {
	seen := map[string]bool{}
	for i, t := range a.Follows {
		switch {
		case !validTopic.MatchString(t.Topic):
			return at("follows", i, "%.80q is not the name of a topic", t.Topic)
		case seen[t.Topic]:
			return at("follows", i, "lists the topic %q twice", t.Topic)
		case !isPath(t.Path):
			return at("follows", i, "%.80q is not a path", t.Path)
		case len(t.Rules) > maxParts:
			return at("follows", i, "more than %d rules", maxParts)
		}
		for _, r := range t.Rules {
			if r.Match == "" || len(r.Match) > maxText*4 || !isPath(r.Path) {
				return at("follows", i, "a rule needs an expression (match) and a path")
			}
		}
		seen[t.Topic] = true
	}
	for i, topic := range a.Publishes {
		switch {
		case !validTopic.MatchString(topic) || strings.HasSuffix(topic, "-dead"):
			return at("publishes", i, "%.80q is not a name for a topic: a-z, 0-9, - and ., and no -dead at the end", topic)
		case slices.Contains(roster.Topics(), topic):
			return at("publishes", i, "the topic %q belongs to the shop", topic)
		case slices.Contains(a.Publishes[:i], topic):
			return at("publishes", i, "lists the topic %q twice", topic)
		}
	}
	if len(a.Calls) > maxParts {
		return wrong(l.of("calls"), "calls: more than %d", maxParts)
	}
	for i, c := range a.Calls {
		switch {
		case !slices.Contains(methods, c.Method):
			return at("calls", i, "method %.20q is none of %s", c.Method, strings.Join(methods, ", "))
		case !isPath(strings.TrimSuffix(c.Path, "/*")):
			return at("calls", i, "%.80q is not a path", c.Path)
		}
	}
	base := "/api/v1/" + a.ID
	for i, pattern := range a.Serves {
		exact := strings.TrimSuffix(pattern, "/*")
		if exact != base && !strings.HasPrefix(exact, base+"/") || !isPath(exact) {
			return at("serves", i, "%.80q is not below %s", pattern, base)
		}
	}
	if len(a.Serves) > 0 && roster.IsServed(base) {
		return wrong(l.of("serves"), "serves: %s belongs to the shop: choose another id", base)
	}
	for i, name := range a.Uses {
		if !slices.Contains(components, name) {
			return at("uses", i, "%.80q is none of %s", name, strings.Join(components, ", "))
		}
	}
	for i, name := range a.Keeps {
		if !slices.Contains(Parts, name) {
			return at("keeps", i, "%.80q is none of %s", name, strings.Join(Parts, ", "))
		}
	}
	for member, names := range map[string][]string{"secrets": a.Secrets, "settings": a.Settings} {
		for i, name := range names {
			if !validVariable.MatchString(name) || slices.Contains(setByLauncher, name) {
				return at(member, i, "%.80q "+notVariable, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Env)) {
		if !validVariable.MatchString(name) || slices.Contains(setByLauncher, name) {
			return wrong(l.of("env"), "env: %.80q "+notVariable, name)
		}
	}
	return nil
}

const notVariable = "is not in capitals, digits and _, or is a variable that the launcher sets"

// setByLauncher are the variables that every app gets.
var setByLauncher = []string{
	"APP_ID", "APP_PORT", "APP_PROTOCOL", "APP_API_TOKEN", "DAPR_API_TOKEN", "DAPR_HTTP_PORT", "DAPR_GRPC_PORT",
	"DAPR_METRICS_PORT", "DAPR_HOST_ADD", "PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH",
}

func isPath(path string) bool { return len(path) <= maxText && validPath.MatchString(path) }

// CheckTogether refuses apps that cannot be in one shop: with one id, port or topic, or with a topic or an app that
// nobody has.
func CheckTogether(apps []App) error {
	ids, ports, topics := map[string]App{}, map[int]App{}, map[string]App{}
	for _, a := range apps {
		if other, taken := ids[a.ID]; taken && a.Replaces != "" {
			return fmt.Errorf("%s and %s both replace %s", other.Path, a.Path, a.Replaces)
		} else if taken {
			return fmt.Errorf("%s and %s have the same id %q", other.Path, a.Path, a.ID)
		}
		ids[a.ID] = a
		if other, taken := ports[a.Port]; taken && a.Port > 0 {
			return fmt.Errorf("%s and %s have the same port %d", other.Path, a.Path, a.Port)
		}
		ports[a.Port] = a
		for _, topic := range a.Publishes {
			if other, taken := topics[topic]; taken {
				return fmt.Errorf("%s and %s publish the same topic %q", other.Path, a.Path, topic)
			}
			topics[topic] = a
		}
	}
	for _, a := range apps {
		for _, t := range a.Follows {
			if _, joined := topics[t.Topic]; !joined && len(logsOf(t.Topic)) == 0 {
				known := slices.Collect(maps.Keys(topics))
				for _, app := range roster.Apps() {
					for _, l := range app.Logs {
						known = append(known, l.Topic)
					}
				}
				slices.Sort(known)
				return fmt.Errorf("%s follows the topic %q, which no app publishes: the topics are %s",
					a.Path, t.Topic, strings.Join(slices.Compact(known), ", "))
			}
		}
		for _, c := range a.Calls {
			if _, joined := ids[c.App]; !joined && !slices.Contains(roster.IDs(), c.App) {
				return fmt.Errorf("%s calls the app %q, which the shop does not have: the apps are %s",
					a.Path, c.App, strings.Join(append(roster.IDs(), slices.Sorted(maps.Keys(ids))...), ", "))
			}
		}
	}
	return nil
}
