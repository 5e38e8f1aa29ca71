package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// tally counts the answers to each operation by their status.
type tally map[string]map[string]int

func (t tally) add(text []byte) error {
	var more tally
	if err := json.Unmarshal(text, &more); err != nil {
		return err
	}
	for operation, answers := range more {
		if t[operation] == nil {
			t[operation] = map[string]int{}
		}
		for status, n := range answers {
			t[operation][status] += n
		}
	}
	return nil
}

// never lists the operations that no request of a run got done: a run that only meets refusals has not tried much.
func (t tally) never() (operations []string) {
	for operation, answers := range t {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(answers)), func(s string) bool { return strings.HasPrefix(s, "2") }) {
			operations = append(operations, operation)
		}
	}
	slices.Sort(operations)
	return operations
}
