package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
)

// results are what the tests of a suite said. A name stands for the tests of that name in all packages.
type results struct {
	passed, failed map[string]bool
	output         map[string]string
	build          string // what the go command said about a package that it could not test
}

// read reads the output of go test -json.
func read(in io.Reader) (results, error) {
	r := results{passed: map[string]bool{}, failed: map[string]bool{}, output: map[string]string{}}
	for decoder := json.NewDecoder(in); ; {
		var e struct{ Action, Test, Output string }
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return r, err
		}
		switch e.Action {
		case "output":
			r.output[e.Test] += e.Output
		case "build-output":
			r.build += e.Output
		case "pass":
			r.passed[e.Test] = true
		case "fail":
			r.failed[e.Test] = true
		}
	}
}

// failure returns why a test failed: what it, or the first of its subtests that failed, says.
func (r results) failure(test string) (why string, failed bool) {
	if !r.failed[test] {
		return "", false
	}
	if why = reason(r.output[test]); why != "" {
		return why, true
	}
	for name := range r.failed {
		if strings.HasPrefix(name, test+"/") {
			if said := reason(r.output[name]); said != "" && (why == "" || said < why) {
				why = said
			}
		}
	}
	return cmp.Or(why, "it failed without a reason"), true
}

// whyNot returns why a test did not run: it was not built, or its parent failed before it.
func (r results) whyNot(test string) string {
	if r.build != "" {
		return shorten(r.build)
	}
	parent, _, _ := strings.Cut(test, "/")
	return cmp.Or(reason(r.output[parent]), shorten(r.output[""]))
}

// assertion is what testify prints about an assertion that failed.
var assertion = regexp.MustCompile(`(?s)\n\s+Error:\s+(.*?)\n\s+Test:[^\n]*(?:\n\s+Messages:\s+([^\n]*))?`)

var panicked = regexp.MustCompile(`(?m)^panic: .*`)

func reason(output string) string {
	if found := assertion.FindStringSubmatch(output); found != nil {
		return shorten(found[1] + " " + found[2])
	}
	return panicked.FindString(output)
}

// maxReason is the longest reason in bytes. The rest is seldom read: the error of a sidecar quotes its log.
const maxReason = 400

func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + " …"
	}
	return text
}
