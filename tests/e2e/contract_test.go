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

var update = flag.Bool("update", false, "write api/openapi.json, if a change of the public API is intended")

// The description of the public API is a file in the repository, so that a review shows every change of the API.
func TestOpenAPIMatchesTheReviewedFile(t *testing.T) {
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
	t.Errorf("the API differs from %s in line %d. The file has\n%s\nand the shop has\n%s\n"+
		"If the change is intended: go test ./tests/e2e -run TestOpenAPI -update",
		golden, at+1, excerpt(was), excerpt(is))
}

// The test checks requirements of OpenAPI 3.1 (sections 4.8.8 to 4.8.12) that Huma does not check, or that the gateway
// could break when it merges the documents of the services.
func TestOpenAPIIsConsistent(t *testing.T) {
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
		assert.Empty(t, shapes[shape], "%s and another path are the same route", path)
		shapes[shape] = path
	}
	for _, ref := range regexp.MustCompile(`"\$ref":"#/components/([^/"]+)/([^"]+)"`).FindAllSubmatch(text, -1) {
		assert.Contains(t, d.Components[string(ref[1])], string(ref[2]), "%s refers to nothing", ref[0])
	}
	ids := map[string]string{}
	for name, o := range operations(t) {
		assert.NotEmpty(t, o.OperationID, name)
		assert.Empty(t, ids[o.OperationID], "%s has the operationId of another operation", name)
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
			assert.Regexp(t, `^\d{3}$`, status, "%s: each response has one status", name)
			if status >= "4" {
				assert.Contains(t, answer.Content, "application/problem+json", "%s: %s", name, status)
			}
		}
		for _, status := range []string{"400", "401", "422", "429", "500", "503"} {
			assert.Contains(t, o.Responses, status, "%s does not describe this answer", name)
		}
	}
}

// The document agrees with the access table: which operations need a token, and what they answer to each caller.
func TestOpenAPIDescribesAccess(t *testing.T) {
	guest(t)
	described := operations(t)
	usesToken := map[string]bool{} // operations whose answer depends on the token
	for _, r := range rules(t) {
		name := r.operation()
		o, ok := described[name]
		if !ok {
			continue // TestEveryRouteIsInTheAccessTable fails
		}
		for caller, status := range r.want {
			_, described := o.Responses[strconv.Itoa(status)]
			assert.True(t, status == 0 || described, "%s answers %d to %s, which is not described", name, status, caller)
			if caller != "forged" && status != r.want["nobody"] {
				usesToken[name] = true
			}
		}
		optional := slices.ContainsFunc(o.Security, func(needs map[string][]string) bool { return len(needs) == 0 })
		needsToken := r.want["nobody"] == http.StatusUnauthorized
		if needsToken && !strings.Contains(r.path, "?") && !r.credentialsInBody() {
			assert.False(t, optional, "%s needs a token, but the document says that it is optional", name)
		}
		if !refusal(r.want["nobody"]) {
			assert.True(t, optional, "%s needs no token, but the document says that it does", name)
		}
	}
	for name, o := range described {
		bearer := slices.ContainsFunc(o.Security, func(needs map[string][]string) bool {
			_, ok := needs["bearer"]
			return ok
		})
		assert.True(t, bearer || !usesToken[name], "%s uses the token, but the document does not mention it", name)
	}
}
