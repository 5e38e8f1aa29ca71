package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// tally counts the answers to each operation by their status.
type tally map[string]map[string]int

// add adds a tally in JSON.
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

// onlyRefused lists the operations of which no request succeeded. They are hardly tested.
func (t tally) onlyRefused() (operations []string) {
	for operation, answers := range t {
		succeeded := func(status string) bool { return strings.HasPrefix(status, "2") }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(answers)), succeeded) {
			operations = append(operations, operation)
		}
	}
	slices.Sort(operations)
	return operations
}
