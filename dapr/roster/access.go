package main

import (
	"maps"
	"slices"
	"strings"

	"haberdash/dapr/wiring"
	"haberdash/internal/roster"
)

// policy lists the operations that one app may call of another, with their methods.
type policy struct {
	Caller     string
	Operations []operation
}

type operation struct {
	Name    string
	Methods []string
}

// Verbs is the list of methods as YAML.
func (o operation) Verbs() string {
	if o.Methods[0] == "*" {
		return `["*"]`
	}
	return "[" + strings.Join(o.Methods, ", ") + "]"
}

// access lists for each app what the others may call of it: the calls that their code makes.
func access(root string) (map[string][]policy, error) {
	policies := map[string][]policy{}
	for _, caller := range roster.IDs() {
		calls, err := callsOf(root, caller)
		if err != nil {
			return nil, err
		}
		byCallee := map[string]map[string][]string{} // callee, operation, methods
		for _, c := range calls {
			if c.callee == caller {
				continue // stays within the app's own sidecar
			}
			if byCallee[c.callee] == nil {
				byCallee[c.callee] = map[string][]string{}
			}
			name := wiring.Operation(c.path)
			byCallee[c.callee][name] = addMethod(byCallee[c.callee][name], c.method)
		}
		for callee, operations := range byCallee {
			policies[callee] = append(policies[callee], policy{caller, condense(operations)})
		}
	}
	return policies, nil
}

func addMethod(methods []string, method string) []string {
	switch {
	case slices.Contains(methods, "*") || slices.Contains(methods, method):
		return methods
	case method == "*":
		return []string{"*"}
	}
	methods = append(methods, method)
	slices.Sort(methods)
	return methods
}

// condense sorts operations and leaves out those that a wider one with the same methods covers.
func condense(operations map[string][]string) (list []operation) {
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		methods := operations[name]
		covered := false
		for wide, wideMethods := range operations {
			above, ok := strings.CutSuffix(wide, "**")
			covered = covered || ok && wide != name && strings.HasPrefix(name, above) && slices.Equal(wideMethods, methods)
		}
		if !covered {
			list = append(list, operation{name, methods})
		}
	}
	return list
}
