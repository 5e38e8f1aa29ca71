package logtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// Releases holds a model to the logs that releases have written, which its next version must read: each is a folder
// testdata/releases/1, 2, … with the commits as they were stored, a line each, and the documents that they make. story
// writes the log named name as this version does: into the shapes of the last release, or it is time for another.
//
// A log is history and stays as it is. Where this version's events have other shapes, run the test with NEW_RELEASE=1,
// which adds one; if the version before cannot read them, they want a version and an upcaster (commitlog.Model). Where
// the documents differ, raise Model.Version, and NEW_RELEASE=1 writes the documents anew.
func Releases[S any](t *testing.T, name string, model commitlog.Model[S], story func(sidecar.State)) {
	t.Helper()
	store := memory.NewState()
	story(store)
	now := commitsOf(t, store.All(), name)
	require.NotEmpty(t, now)
	dirs, err := filepath.Glob(filepath.Join("testdata", "releases", "*"))
	require.NoError(t, err)
	slices.SortFunc(dirs, func(a, b string) int { return number(a) - number(b) })
	fresh := os.Getenv("NEW_RELEASE") == "1"
	var last map[string][]string
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, name+".log"))
		require.NoError(t, err)
		commits := slices.Collect(strings.Lines(string(text)))
		last = shapes(t, commits)
		documents, path := fold(t, name, model, commits), filepath.Join(dir, name+".documents.json")
		if fresh {
			require.NoError(t, os.WriteFile(path, []byte(documents), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Empty(t, firstDifference(string(want), documents), "%s: raise Model.Version: see Releases", dir)
	}
	if fresh && !maps.EqualFunc(last, shapes(t, now), slices.Equal) {
		dir := filepath.Join("testdata", "releases", strconv.Itoa(len(dirs)+1))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".log"), []byte(strings.Join(now, "")), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".documents.json"), []byte(fold(t, name, model, now)), 0o644))
		return
	}
	require.Equal(t, last, shapes(t, now), "events have other shapes than those of the last release: see Releases")
}

// firstDifference is short: documents are long.
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

func number(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(dir))
	return n
}

// commitsOf gives a log's commits as they are stored, a line each.
func commitsOf(t *testing.T, stored map[string]string, name string) (lines []string) {
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

// fold gives the documents that the commits make.
func fold[S any](t *testing.T, name string, model commitlog.Model[S], commits []string) string {
	t.Helper()
	store := memory.NewState()
	for i, c := range commits {
		require.NoError(t, store.Create(t.Context(), fmt.Sprintf("log/%s/%d", name, i+1), []byte(strings.TrimSuffix(c, "\n"))))
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

// shapes are the members that each type and version of event has, as paths.
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
