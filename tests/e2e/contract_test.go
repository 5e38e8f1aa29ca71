package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write api/openapi.json: only when the public API is meant to change")

// The description of the public API stands in the repository, so that a change of it is seen by whoever reviews one.
func TestOpenAPIIsTheOneThatWasReviewed(t *testing.T) {
	guest(t)
	golden := filepath.Join("..", "..", "api", "openapi.json")
	var served bytes.Buffer
	require.NoError(t, json.Indent(&served, document(t), "", "  "))
	served.WriteByte('\n')
	if *update {
		require.NoError(t, os.WriteFile(golden, served.Bytes(), 0o644))
	}
	reviewed, err := os.ReadFile(golden)
	require.NoError(t, err)
	if bytes.Equal(reviewed, served.Bytes()) {
		return
	}
	was, is := strings.Split(string(reviewed), "\n"), strings.Split(served.String(), "\n")
	at := 0
	for at < min(len(was), len(is)) && was[at] == is[at] {
		at++
	}
	excerpt := func(lines []string) string {
		return strings.Join(lines[max(0, min(at-6, len(lines))):min(at+6, len(lines))], "\n")
	}
	t.Errorf("the API is not as %s says, first in line %d. It was\n%s\nand is\n%s\nIf that is meant: go test ./tests/e2e -run TestOpenAPI -update",
		golden, at+1, excerpt(was), excerpt(is))
}

// What OpenAPI 3.1 asks of a document (sections 4.8.8 to 4.8.12) and Huma does not see to, or the merging could spoil.
func TestOpenAPIIsSound(t *testing.T) {
	guest(t)
	text := document(t)
	var d struct {
		Info       struct{ Title, Version string }
		Paths      map[string]json.RawMessage
		Components map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.Info.Title)
	require.NotEmpty(t, d.Info.Version)
	shapes := map[string]string{}
	for path := range d.Paths {
		shape := parameter.ReplaceAllString(path, "{}")
		assert.Empty(t, shapes[shape], "%s is the same address", path)
		shapes[shape] = path
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/components/([^/"]+)/([^"]+)"`).FindAllSubmatch(text, -1) {
		assert.Contains(t, d.Components[string(ref[1])], string(ref[2]), "%s leads nowhere", ref[0])
	}
	ids := map[string]string{}
	for name, o := range operations(t) {
		assert.NotEmpty(t, o.OperationID, name)
		assert.Empty(t, ids[o.OperationID], "%s has another's operationId", name)
		ids[o.OperationID] = name
		assert.NotEmpty(t, o.Summary, name)
		assert.Len(t, o.Tags, 1, name)

		var declared []string
		for _, p := range o.Parameters {
			if p.In == "path" {
				declared = append(declared, "{"+p.Name+"}")
				assert.True(t, p.Required, "%s: %s", name, p.Name)
			}
		}
		assert.ElementsMatch(t, parameter.FindAllString(o.path, -1), declared, "%s: the parameters in the path", name)

		for status, answer := range o.Responses {
			assert.Regexp(t, `^\d{3}$`, status, "%s: each status is described by itself", name)
			if status >= "4" {
				assert.Contains(t, answer.Content, "application/problem+json", "%s: %s", name, status)
			}
		}
		for _, status := range []string{"400", "401", "422", "429", "500", "503"} {
			assert.Contains(t, o.Responses, status, "%s can answer so", name)
		}
	}
}

// The document says who needs a token and what they are answered, as the table of who may call what has it.
func TestOpenAPISaysWhoMayCall(t *testing.T) {
	guest(t)
	described := operations(t)
	matters := map[string]bool{} // whether a token makes a difference in any of an operation's rules
	for _, r := range rules(t) {
		name := r.operation()
		o, ok := described[name]
		if !ok {
			continue // TestEveryRouteHasItsAccessWrittenDown says so
		}
		for caller, status := range r.want {
			_, said := o.Responses[strconv.Itoa(status)]
			assert.True(t, status == 0 || said, "%s answers %d to %s, which is not described", name, status, caller)
			if caller != "forged" && status != r.want["nobody"] {
				matters[name] = true
			}
		}
		optional := slices.ContainsFunc(o.Security, func(needs map[string][]string) bool { return len(needs) == 0 })
		if r.want["nobody"] == http.StatusUnauthorized && !strings.Contains(r.path, "?") && r.path != "/api/v1/auth/refresh" {
			assert.False(t, optional, "%s refuses who has no token, and is described as if it did not", name)
		}
		if !refusal(r.want["nobody"]) {
			assert.True(t, optional, "%s lets everybody in, and is described as if it did not", name)
		}
	}
	for name, o := range described {
		bearer := slices.ContainsFunc(o.Security, func(needs map[string][]string) bool { _, ok := needs["bearer"]; return ok })
		assert.True(t, bearer || !matters[name], "%s heeds the token, and the description is silent about it", name)
	}
}
