package logtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// Releases tests that a model reads the logs of earlier releases. Each folder testdata/releases/1, 2, … has the commits
// of a log as they were stored, one in a line, and the documents that are made from them. writeLog writes a log of that
// name as the present code does; its events must have the shapes of the last release. The contract must describe every
// published event, of all releases.
//
// A stored log never changes. If the present events have other shapes, run the test with NEW_RELEASE=1, which adds a
// release; if the release before cannot read the new shapes, give them a version and an upcaster (commitlog.Model). If
// the documents differ, raise Model.Version; NEW_RELEASE=1 then writes the documents again.
func Releases[S any](t *testing.T, name string, model commitlog.Model[S], writeLog func(sidecar.State)) {
	t.Helper()
	store := memory.NewState()
	writeLog(store)
	present := storedCommits(t, store.All(), name)
	require.NotEmpty(t, present)
	dirs, err := filepath.Glob(filepath.Join("testdata", "releases", "*"))
	require.NoError(t, err)
	slices.SortFunc(dirs, func(a, b string) int { return releaseNumber(a) - releaseNumber(b) })
	update := os.Getenv("NEW_RELEASE") == "1"
	var last map[string][]string
	requirePromised(t, present)
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, name+".log"))
		require.NoError(t, err)
		commits := slices.Collect(strings.Lines(string(text)))
		last = shapes(t, commits)
		requirePromised(t, commits)
		documents, path := makeDocuments(t, name, model, commits), filepath.Join(dir, name+".documents.json")
		if update {
			require.NoError(t, os.WriteFile(path, []byte(documents), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, firstDifference(string(want), documents),
			"%s: the documents differ, raise Model.Version: see Releases", dir)
	}
	if update && !maps.EqualFunc(last, shapes(t, present), slices.Equal) {
		dir := filepath.Join("testdata", "releases", strconv.Itoa(len(dirs)+1))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".log"), []byte(strings.Join(present, "")), 0o644))
		documents := []byte(makeDocuments(t, name, model, present))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".documents.json"), documents, 0o644))
		return
	}
	require.Equal(t, last, shapes(t, present), "events have other shapes than those of the last release: see Releases")
}

// requirePromised requires that the contract describes each published event of a log, with every member of its data.
func requirePromised(t *testing.T, commits []string) {
	t.Helper()
	for i, text := range commits {
		c := commitlog.Commit{N: uint64(i + 1)}
		require.NoError(t, json.Unmarshal([]byte(text), &c))
		for _, e := range c.Published("app", "log") {
			promise, found := contract.PublishedType(e.Type)
			require.True(t, found, "%s is published, but contract.Published does not have it", e.Type)
			data := json.NewDecoder(bytes.NewReader(e.Data))
			data.DisallowUnknownFields()
			require.NoError(t, data.Decode(reflect.New(promise.Data).Interface()),
				"the data of %s is not as %s describes it: %s", e.Type, promise.Data, e.Data)
		}
	}
}

// firstDifference names the first line that differs: documents are too long to print.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d: %s, was %s", i+1, g[i], w[i])
		}
	}
	if len(w) != len(g) {
		return fmt.Sprintf("%d lines, were %d", len(g), len(w))
	}
	return ""
}

func releaseNumber(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(dir))
	return n
}

// storedCommits returns the commits of a log as they are stored, one in a line.
func storedCommits(t *testing.T, stored map[string]string, name string) (lines []string) {
	t.Helper()
	for n := 1; ; n++ {
		commit, ok := stored[fmt.Sprintf("log/%s/%d", name, n)]
		if !ok {
			return lines
		}
		require.NotContains(t, commit, "\n")
		lines = append(lines, commit+"\n")
	}
}

// makeDocuments makes the documents of a log from its commits.
func makeDocuments[S any](t *testing.T, name string, model commitlog.Model[S], commits []string) string {
	t.Helper()
	store := memory.NewState()
	for i, c := range commits {
		key, value := fmt.Sprintf("log/%s/%d", name, i+1), []byte(strings.TrimSuffix(c, "\n"))
		require.NoError(t, store.Create(t.Context(), key, value))
	}
	require.NoError(t, commitlog.Rebuild(t.Context(), store, name, model))
	documents := map[string]json.RawMessage{}
	for key, value := range store.All() {
		if parts := strings.SplitN(key, "/", 3); parts[0] == "doc" {
			documents[parts[2]] = json.RawMessage(value)
		}
	}
	var text bytes.Buffer
	out := json.NewEncoder(&text)
	out.SetIndent("", " ")
	require.NoError(t, out.Encode(documents))
	return text.String()
}

// shapes lists the members that the events of each type and version have, as paths.
func shapes(t *testing.T, commits []string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, text := range commits {
		var c commitlog.Commit
		require.NoError(t, json.Unmarshal([]byte(text), &c))
		for _, e := range c.Events {
			var data any
			if len(e.Data) > 0 {
				require.NoError(t, json.Unmarshal(e.Data, &data))
			}
			key := fmt.Sprintf("%s, version %d", e.Type, max(e.Version, 1))
			all[key] = append(all[key], paths("", data)...)
		}
	}
	for key, found := range all {
		slices.Sort(found)
		all[key] = slices.Compact(found)
	}
	return all
}

// paths lists the members of a decoded JSON value, each with its type.
func paths(at string, v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			all = append(all, paths(at+"."+name, member)...)
		}
		return append(all, at+"{}")
	case []any:
		for _, element := range v {
			all = append(all, paths(at+"[]", element)...)
		}
		return append(all, at+"[]")
	default:
		return []string{fmt.Sprintf("%s %T", at, v)}
	}
}
