package archive

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
)

// filled is a shop in which every app but the cart has items, and more than the body of one import may have.
func filled(t *testing.T) *fake {
	f := newFake(t)
	for _, app := range roster.Exported() {
		for i := range map[string]int{"users": 450, "cart": 0}[app] {
			f.owns(t, app, fmt.Sprint("user/", i), `{"name": "<Größe>"}`)
		}
		if app != "cart" && app != "users" {
			f.owns(t, app, "log/"+app+"/1", `{"w":"x","e":[1.0]}`)
			f.owns(t, app, "log/"+app+"/2", `"`+strings.Repeat("x", 600<<10)+`"`)
		}
	}
	return f
}

func export(t *testing.T, f *fake, keep bool) (string, Trailer, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new", "shop.ndjson.gz")
	trailer, err := Export(t.Context(), f.Client, path, ExportOptions{
		State: "sqlite", Secrets: map[string]string{"ID_KEY": "f"}, StayReadOnly: keep, Log: t.Output(),
	})
	return path, trailer, err
}

func exported(t *testing.T) string {
	t.Helper()
	path, _, err := export(t, filled(t), false)
	require.NoError(t, err)
	return path
}

func TestImportStoresWhatWasExported(t *testing.T) {
	t.Parallel()
	from, to := filled(t), newFake(t)
	path, trailer, err := export(t, from, false)
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, from.switched)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode(), "it has addresses and password hashes")
	require.NoFileExists(t, path+".part")

	h, read, err := Check(path)
	require.NoError(t, err)
	require.Equal(t, trailer, read)
	require.Equal(t, "sqlite", h.State)
	require.Equal(t, map[string]string{"ID_KEY": "f"}, h.Secrets)
	require.Equal(t, map[string]uint64{"users": 450, "notifications": 2, "cart": 0, "orders": 2, "catalog": 2}, read.Items)

	require.NoError(t, Import(t.Context(), to.Client, path))
	require.NoError(t, Import(t.Context(), to.Client, path), "a second time")
	for app, keys := range from.keys {
		was, err := from.stores[app].GetMany(t.Context(), keys)
		require.NoError(t, err)
		is, err := to.stores[app].GetMany(t.Context(), keys)
		require.NoError(t, err)
		for _, key := range keys {
			require.Equal(t, string(was[key].Value), string(is[key].Value))
		}
	}
	summary, err := to.Summarise(t.Context())
	require.NoError(t, err)
	require.Empty(t, summary.Differences(read.Summary))
}

func TestExportedShopStaysReadOnlyIfAskedToOrIfItWas(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	_, _, err := export(t, f, true)
	require.NoError(t, err)
	require.True(t, f.readOnly)
	_, _, err = export(t, f, false)
	require.NoError(t, err)
	require.True(t, f.readOnly, "it was read-only before the export")
}

// An export during which the shop has changed is repeated. One that fails leaves no file, and the shop is not
// read-only.
func TestExportIsRepeatedOrFailsWhenTheShopChanges(t *testing.T) {
	t.Parallel()
	f := filled(t)
	f.changes = 5 // each attempt has two audits before the export and two after
	path, trailer, err := export(t, f, false)
	require.NoError(t, err)
	_, _, err = Check(path)
	require.NoError(t, err)
	require.Equal(t, uint64(5), trailer.Summary.Audits["orders"][0].Commit)

	f = newFake(t)
	f.position = 3
	_, trailer, err = export(t, f, false)
	require.NoError(t, err)
	require.Equal(t, uint64(head), trailer.Summary.Cursors["cart"][0].Position, "the export waits for the consumers")

	for name, change := range map[string]func(*fake){
		"keeps changing": func(f *fake) { f.changes = 1000 },
		"orders: transfer: the stream is truncated": func(f *fake) { f.broken = "orders" },
		"3 documents of catalog differ":             func(f *fake) { f.wrong = 3 },
	} {
		f := filled(t)
		change(f)
		path, _, err := export(t, f, true)
		require.ErrorContains(t, err, name)
		require.NoFileExists(t, path)
		require.NoFileExists(t, path+".part")
		require.False(t, f.readOnly, name)
	}
	path = filepath.Join(t.TempDir(), "shop")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err = Export(t.Context(), newFake(t).Client, path, ExportOptions{Log: io.Discard})
	require.ErrorContains(t, err, "exists already")
}

// A file that ends too early is refused, wherever it ends.
func TestTruncatedFileIsRefused(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(exported(t))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "truncated")
	for n := 0; n < len(whole); n += max(1, len(whole)/200) {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		_, _, err := Check(path)
		require.ErrorIs(t, err, ErrInvalid, "%d of %d bytes", n, len(whole))
	}
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-1], 0o600))
	_, _, err = Check(path)
	require.ErrorIs(t, err, ErrInvalid)
}

// rewritten returns a copy of an archive with changed lines.
func rewritten(t *testing.T, path string, change func(lines []string) []string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	require.NoError(t, err)
	text, err := io.ReadAll(zip)
	require.NoError(t, err)
	lines := change(strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n"))
	var b bytes.Buffer
	out := gzip.NewWriter(&b)
	_, err = io.WriteString(out, strings.Join(lines, "")+"\n")
	require.NoError(t, err)
	require.NoError(t, out.Close())
	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, b.Bytes(), 0o600))
	return other
}

// withChecksum gives changed lines the right checksum.
func withChecksum(t *testing.T, lines []string) []string {
	var trailer Trailer
	last := len(lines) - 1
	require.NoError(t, json.Unmarshal([]byte(lines[last]), &trailer))
	sum := sha256.Sum256([]byte(strings.Join(lines[:last], "")))
	trailer.SHA256 = hex.EncodeToString(sum[:])
	b, err := json.Marshal(trailer)
	require.NoError(t, err)
	return append(append([]string{}, lines[:last]...), string(b))
}

func TestInvalidFilesAreRefused(t *testing.T) {
	t.Parallel()
	path := exported(t)
	replace := func(old, with string) func([]string) []string {
		return func(lines []string) []string {
			return strings.SplitAfter(strings.Replace(strings.Join(lines, ""), old, with, 1), "\n")
		}
	}
	for says, change := range map[string]func([]string) []string{
		"version 2 of the format":      replace(`"version":1`, `"version":2`),
		"has another format":           replace(`haberdash-shop`, `other`),
		"checksum is wrong":            replace(`Größe`, `Große`),
		"an app that this Haberdash":   replace(`{"app":"cart"}`, `{"app":"till"}`),
		"line 1 is not valid":          func(lines []string) []string { return append([]string{"x\n"}, lines...) },
		"has more after its last line": func(lines []string) []string { return append(lines, "\n{}") },
		"the data of users is missing": func(lines []string) []string { return without(t, lines, "users") },
		"users should have 450 items":  func(lines []string) []string { return slices.Delete(slices.Clone(lines), 9, 10) },
		"line 5 has no value":          replace(`{"key":"user/2","value":{"name": "<Größe>"}}`, `{"key":"user/2"}`),
		"line 5 is not JSON":           replace(`{"key":"user/2",`, `{"key":`),
	} {
		_, _, err := Check(rewritten(t, path, change))
		require.ErrorIs(t, err, ErrInvalid, says)
		require.ErrorContains(t, err, says)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("{}\n"), 0o600))
	_, _, err := Check(plain)
	require.ErrorIs(t, err, ErrInvalid)
	_, _, err = Check(filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// without removes an app from the lines and from the trailer.
func without(t *testing.T, lines []string, app string) []string {
	begin, end := -1, -1
	for i, line := range lines {
		switch {
		case line == `{"app":"`+app+`"}`+"\n":
			begin = i
		case begin >= 0 && end < 0 && strings.HasPrefix(line, `{"items":`):
			end = i
		}
	}
	lines = append(append([]string{}, lines[:begin]...), lines[end+1:]...)
	last := len(lines) - 1
	lines[last] = regexp.MustCompile(`,?"`+app+`":\d+`).ReplaceAllString(lines[last], "")
	return withChecksum(t, lines)
}

// An import that finds another value names its key, and does not report the file as invalid.
func TestImportOverwritesNothing(t *testing.T) {
	t.Parallel()
	path, to := exported(t), newFake(t)
	to.owns(t, "users", "user/7", `{"name":"somebody else"}`)
	err := Import(t.Context(), to.Client, path)
	require.ErrorContains(t, err, "import users: the shop answered 409")
	require.ErrorContains(t, err, "user/7")
	require.NotErrorIs(t, err, ErrInvalid)
	there, err := to.stores["users"].GetMany(t.Context(), []string{"user/0", "user/7"})
	require.NoError(t, err)
	require.Equal(t, map[string]sidecar.Item{"user/7": there["user/7"]}, there)
	require.Equal(t, `{"name":"somebody else"}`, string(there["user/7"].Value))
}

func TestDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	one, two := newFake(t), newFake(t)
	two.commit = 4
	a, err := one.Summarise(t.Context())
	require.NoError(t, err)
	b, err := two.Summarise(t.Context())
	require.NoError(t, err)
	differences := b.Differences(a)
	require.Len(t, differences, len(roster.Logging()))
	require.Regexp(t, `^catalog: audit is .*"commit":4.*, and was .*"commit":0`, differences[0])
	require.NotEmpty(t, Summary{}.Differences(a))
}
