package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A tally counts the answers to each operation by status.
type tally map[string]map[string]int

// add adds the counts of a run, which hooks.py has written as JSON.
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

// ambiguousBodies is the name under which hooks.py counts the answers to ambiguous bodies, beside the operations.
const ambiguousBodies = "ambiguous bodies"

// takeAmbiguous returns the number of ambiguous bodies that were sent, and removes them.
func (t tally) takeAmbiguous() (sent int) {
	for _, n := range t[ambiguousBodies] {
		sent += n
	}
	delete(t, ambiguousBodies)
	return sent
}

// onlyRefused lists the operations that never succeeded. A run with many of them has tested little.
func (t tally) onlyRefused() (operations []string) {
	for operation, answers := range t {
		success := func(status string) bool { return strings.HasPrefix(status, "2") }
		if !slices.ContainsFunc(slices.Collect(maps.Keys(answers)), success) {
			operations = append(operations, operation)
		}
	}
	slices.Sort(operations)
	return operations
}
