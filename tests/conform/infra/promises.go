package main

import (
	"regexp"
	"strings"
)

// suite has the promises of a kind of component, and the packages with the tests that try them.
type suite struct {
	components []string // names, which the folder must have
	packages   []string
	promises   []promise
	oneByOne   bool // the tests, because each is a replica of the same app
}

// promise is a promise of docs/infrastructure.md.
type promise struct {
	text  string
	tests []string // names, of go test; a parent stands for its subtests
	order bool     // a broker may declare that it does not keep it
}

var stateSuite = suite{
	components: []string{"state", "workflow"},
	packages: []string{
		"./internal/sidecar/daprd", "./internal/sidecar/daprd/workflow", "./internal/commitlog", "./internal/consumer",
	},
	promises: []promise{
		{text: "A key is created once: of several that create it, one succeeds, and the others learn that it exists.",
			tests: []string{"TestState/create_if_absent", "TestState/of_twenty_concurrent_creates_one_succeeds"}},
		{text: "Keys are compared byte by byte.", tests: []string{"TestState/similar_keys_are_different_keys"}},
		{text: "A write with an ETag fails if the document has changed since.",
			tests: []string{"TestState/put_if_unchanged", "TestState/delete_if_unchanged,_and_always",
				"TestState/of_twenty_concurrent_writes_of_one_version_one_succeeds"}},
		{text: "A read returns what was written before.",
			tests: []string{"TestState/a_missing_key_is_no_error", "TestState/a_read_returns_what_a_write_stored",
				"TestState/values_are_copied", "TestState/many_items_in_one_call"}},
		{text: "Several keys are written in one transaction, all or none.",
			tests: []string{"TestState/put_many_if_unchanged"}},
		{text: "Values may have a megabyte, and a call many of them.",
			tests: []string{"TestState/values_of_every_kind_and_size", "TestState/many_megabytes_in_one_call"}},
		{text: "Keys expire after seconds, and can be created again after a few seconds more.",
			tests: []string{"TestState/a_TTL_expires"}},
		{text: "A call that its caller gives up ends with an error.",
			tests: []string{"TestState/an_ended_context_is_an_error_of_its_kind"}},
		{text: "It can be an actor state store: workflows run on it.", tests: []string{"TestWorkflows"}},
		{text: "The log of events and its consumers work on it.", tests: []string{"TestThroughSidecar"}},
	},
}

var brokerSuite = suite{
	components: []string{"pubsub"},
	packages:   []string{"./internal/sidecar/daprd"},
	oneByOne:   true,
	promises: []promise{
		{text: "A message that was acknowledged to its publisher is delivered at least once, unchanged.",
			tests: []string{"TestMessages/every_message_arrives_unchanged", "TestMessages/the_trace_arrives",
				"TestMessages/an_ended_context_is_an_error", "TestMessagesOfEarlierReleasesArrive"}},
		{text: "Messages with one key arrive in order.", order: true,
			tests: []string{"TestMessages/messages_of_one_key_arrive_in_order"}},
		{text: "A delivery that was not acknowledged is repeated, and no other.",
			tests: []string{"TestMessages/a_delivery_is_repeated_until_its_outcome_is_Done",
				"TestMessages/a_dropped_message_is_not_delivered_again",
				"TestMessages/messages_that_arrive_together_have_different_outcomes",
				"TestMessages/a_delivery_without_an_outcome_is_repeated"}},
		{text: "Of the replicas of an app, one receives a message.", tests: []string{"TestReplicasShareMessages"}},
		{text: "Large messages arrive, however many.", tests: []string{"TestMessages/large_messages_arrive,_however_many"}},
		{text: "A message that an app refuses to the end arrives at its dead-letter topic.",
			tests: []string{"TestDeadLetters"}},
		{text: "Subscriptions route by the attributes of CloudEvents.",
			tests: []string{"TestSubscriptionsRouteByTheAttributesOfCloudEvents"}},
		{text: "An app publishes and receives its own topics only (publishingScopes, subscriptionScopes).",
			tests: []string{"TestAppsUseOnlyTheirTopics"}},
	},
}

// tests is the pattern for go test -run.
func (s suite) tests() string {
	var names []string
	seen := map[string]bool{}
	for _, p := range s.promises {
		for _, test := range p.tests {
			name, _, _ := strings.Cut(test, "/")
			if !seen[name] {
				seen[name] = true
				names = append(names, regexp.QuoteMeta(name))
			}
		}
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// verdict returns the sentence about a promise, and whether it is kept or was declared not to be.
func (p promise) verdict(r results, ordered bool) (sentence string, kept bool) {
	if p.order && !ordered {
		return "left out: " + p.text + " The component declares that they do not (haberdash/order: none).", true
	}
	for _, test := range p.tests {
		if why, failed := r.failure(test); failed {
			return "BROKEN: " + p.text + " " + test + ": " + why, false
		}
	}
	for _, test := range p.tests {
		if !r.passed[test] {
			return "NOT TRIED: " + p.text + " " + r.whyNot(test), false
		}
	}
	return "kept: " + p.text, true
}
