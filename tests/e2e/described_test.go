package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/roster"
	"haberdash/tests/api"
)

// The description of the operations that an app has for other apps and for operators is a file in the repository, like
// that of the public API.
func TestOpenAPIOfInternalOperationsMatchesTheReviewedFiles(t *testing.T) {
	guest(t)
	for _, app := range sharedShop.Apps() {
		if app != roster.Gateway { // which has no operations of its own
			assertInternalAPI(t, sharedShop, app)
		}
	}
}

// assertInternalAPI compares the description that an app serves, without the operations of the public API, with its
// file.
func assertInternalAPI(t *testing.T, s shop, app string) {
	t.Helper()
	served, err := callInternal[map[string]any](t, s, http.MethodGet, app, "/openapi.json")
	require.NoError(t, err)
	keepInternal(served, app)
	text, err := json.MarshalIndent(served, "", "  ")
	require.NoError(t, err)
	text = append(text, '\n')
	golden := filepath.Join("..", "..", "api", "internal", app+".json")
	if *update {
		require.NoError(t, os.WriteFile(golden, text, 0o644))
	}
	reviewed, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(reviewed), string(text),
		"%s: if the change is intended: go test ./tests/e2e -run TestOpenAPI -update", golden)
}

// keepInternal removes the operations that the gateway routes clients to, but for the keys of access tokens, which apps
// need too, and the components that only they use.
func keepInternal(document map[string]any, app string) {
	paths := document["paths"].(map[string]any)
	maps.DeleteFunc(paths, func(path string, _ any) bool {
		return path != "/.well-known/jwks.json" && slices.ContainsFunc(roster.PublicPatterns(app), func(p string) bool {
			p = strings.ReplaceAll(strings.ReplaceAll(p, "{app}", app), "/dead-letters/"+app, "/dead-letters/{app}")
			p = strings.ReplaceAll(p, "/faults/"+app, "/faults/{app}")
			prefix, below := strings.CutSuffix(p, "*")
			return path == p || below && strings.HasPrefix(path, prefix)
		})
	})
	components := document["components"].(map[string]any)
	used := map[string]bool{}
	var follow func(v any)
	follow = func(v any) {
		text, _ := json.Marshal(v)
		for _, ref := range reference.FindAllStringSubmatch(string(text), -1) {
			if !used[ref[1]+"/"+ref[2]] {
				used[ref[1]+"/"+ref[2]] = true
				follow(components[ref[1]].(map[string]any)[ref[2]])
			}
		}
	}
	follow(paths)
	for kind, members := range components {
		if kind != "securitySchemes" {
			maps.DeleteFunc(members.(map[string]any), func(name string, _ any) bool { return !used[kind+"/"+name] })
		}
	}
	if text, _ := json.Marshal(paths); !bytes.Contains(text, []byte(`{"bearer":`)) {
		delete(components, "securitySchemes")
	}
	removeOwnKeywords(document)
}

// removeOwnKeywords removes what huma adds to JSON Schema, as the gateway does.
func removeOwnKeywords(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "patternDescription")
		for _, member := range v {
			removeOwnKeywords(member)
		}
	case []any:
		for _, item := range v {
			removeOwnKeywords(item)
		}
	}
}

var reference = regexp.MustCompile(`"\$ref":"#/components/([^/"]+)/([^"]+)"`)

// readFeeds has every event of every feed checked.
func readFeeds(s shop) error {
	for _, app := range roster.Logging() {
		var list contract.Feeds
		if err := read(s, app, "/feed", &list); err != nil {
			return err
		}
		for _, log := range list.Names {
			for from := uint64(1); ; {
				var page struct {
					Events     []json.RawMessage
					Next, Head uint64
				}
				if err := read(s, app, fmt.Sprintf("/feed/%s?from=%d&max=1000", log, from), &page); err != nil {
					return err
				}
				for _, e := range page.Events {
					sharedChecker.Event(e)
				}
				if from = page.Next; from > page.Head {
					break
				}
			}
		}
	}
	return nil
}

// read is callInternal without a test.
func read(s shop, app, path string, v any) error {
	request := api.Request{Method: http.MethodGet, Path: "/v1.0/invoke/" + app + "/method" + path}
	a, err := sidecarClient(s, app).Do(context.Background(), request)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", path, app, err)
	}
	return a.Decode(v)
}

// unseen are the types of events that no end-to-end test causes in the shared shop. Tests of the services cause them.
var unseen = []string{
	contract.OrderRestEnded, contract.FulfilmentFailed, contract.RefundFailed, contract.UserPasswordResetAsked,
	contract.UserRegistrationRepeated,
}

// reportContract prints what was checked and found in the shared shop. It returns 1 if something is not described, or
// if a run of all tests has not caused every type of events.
func reportContract() (code int) {
	seen, kinds := sharedChecker.Seen(), map[string]int{}
	for what, n := range seen {
		kind, _, _ := strings.Cut(what, " ")
		kinds[kind] += n
	}
	fmt.Printf("contract: %d events in feeds, %d messages and %d calls are as api/ describes them\n",
		kinds["event"], kinds["message"], kinds["call"])
	for _, finding := range sharedChecker.Findings() {
		fmt.Println("contract:", finding)
		code = 1
	}
	if all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == ""; all {
		for _, t := range contract.Published() {
			if (seen["event "+t.Type] == 0) != slices.Contains(unseen, t.Type) {
				fmt.Printf("contract: tests have caused %d events %s: see unseen\n", seen["event "+t.Type], t.Type)
				code = 1
			}
		}
	}
	if *update {
		return 0 // the checker has read the files of before
	}
	return code
}

// ignoreMessage has the checker ignore messages with data that a test publishes to see how apps refuse it.
func ignoreMessage(data string) {
	if sharedChecker != nil {
		sharedChecker.Ignore([]byte(data))
	}
}
