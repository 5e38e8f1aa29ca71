package move

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
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/sidecar"
)

// filled is a shop of which every app but the cart owns something, more than one body of an import takes.
func filled(t *testing.T) *fake {
	f := newFake(t)
	for _, app := range apps {
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
	trailer, err := Export(t.Context(), f.Shop, path, Options{State: "sqlite", Secrets: map[string]string{"ID_KEY": "f"}, Keep: keep, Log: t.Output()})
	return path, trailer, err
}

func exported(t *testing.T) string {
	t.Helper()
	path, _, err := export(t, filled(t), false)
	require.NoError(t, err)
	return path
}

func TestAShopGoesThroughAFile(t *testing.T) {
	t.Parallel()
	from, to := filled(t), newFake(t)
	path, trailer, err := export(t, from, false)
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, from.said)
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

	require.NoError(t, Import(t.Context(), to.Shop, path))
	require.NoError(t, Import(t.Context(), to.Shop, path), "once more")
	for app, keys := range from.keys {
		was, err := from.stores[app].GetMany(t.Context(), keys)
		require.NoError(t, err)
		is, err := to.stores[app].GetMany(t.Context(), keys)
		require.NoError(t, err)
		for _, key := range keys {
			require.Equal(t, string(was[key].Value), string(is[key].Value))
		}
	}
	figures, err := to.Figures(t.Context())
	require.NoError(t, err)
	require.Empty(t, figures.Differences(read.Figures))
}

func TestTheOldShopStaysReadOnlyIfItIsToOrWas(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	_, _, err := export(t, f, true)
	require.NoError(t, err)
	require.True(t, f.readOnly)
	_, _, err = export(t, f, false)
	require.NoError(t, err)
	require.True(t, f.readOnly, "it was before")
}

// An export in which the shop has done something is thrown away, and what fails leaves an open shop and no file.
func TestATornExportIsNone(t *testing.T) {
	t.Parallel()
	f := filled(t)
	f.restless = 5 // of each export two audits before it and two after
	path, trailer, err := export(t, f, false)
	require.NoError(t, err)
	_, _, err = Check(path)
	require.NoError(t, err)
	require.Equal(t, uint64(5), trailer.Figures.Audits["orders"][0].Commit)

	f = newFake(t)
	f.position = 3
	_, trailer, err = export(t, f, false)
	require.NoError(t, err)
	require.Equal(t, uint64(head), trailer.Figures.Cursors["cart"][0].Position, "it has waited")

	for name, spoil := range map[string]func(*fake){
		"keeps changing":                        func(f *fake) { f.restless = 1000 },
		"orders: transfer: the stream is truncated": func(f *fake) { f.broken = "orders" },
		"3 documents of orders differ":          func(f *fake) { f.wrong = 3 },
	} {
		f := filled(t)
		spoil(f)
		path, _, err := export(t, f, true)
		require.ErrorContains(t, err, name)
		require.NoFileExists(t, path)
		require.NoFileExists(t, path+".part")
		require.False(t, f.readOnly, name)
	}
	path = filepath.Join(t.TempDir(), "shop")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err = Export(t.Context(), newFake(t).Shop, path, Options{Log: io.Discard})
	require.ErrorContains(t, err, "exists already")
}

// Wherever a file ends too early, nobody takes it for a whole one.
func TestACutFileIsRefused(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(exported(t))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "cut")
	for n := 0; n < len(whole); n += max(1, len(whole)/200) {
		require.NoError(t, os.WriteFile(path, whole[:n], 0o600))
		_, _, err := Check(path)
		require.ErrorIs(t, err, ErrFile, "%d of %d bytes", n, len(whole))
	}
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-1], 0o600))
	_, _, err = Check(path)
	require.ErrorIs(t, err, ErrFile)
}

// rewritten is a file with other lines.
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

// sealed gives lines that were changed a checksum that is right again.
func sealed(t *testing.T, lines []string) []string {
	var trailer Trailer
	last := len(lines) - 1
	require.NoError(t, json.Unmarshal([]byte(lines[last]), &trailer))
	sum := sha256.Sum256([]byte(strings.Join(lines[:last], "")))
	trailer.SHA256 = hex.EncodeToString(sum[:])
	b, err := json.Marshal(trailer)
	require.NoError(t, err)
	return append(append([]string{}, lines[:last]...), string(b))
}

func TestOtherFilesAreRefused(t *testing.T) {
	t.Parallel()
	path := exported(t)
	replace := func(old, with string) func([]string) []string {
		return func(lines []string) []string {
			return strings.SplitAfter(strings.Replace(strings.Join(lines, ""), old, with, 1), "\n")
		}
	}
	for says, change := range map[string]func([]string) []string{
		"version 2 of the format":      replace(`"version":1`, `"version":2`),
		"is something else":            replace(`haberdash-shop`, `other`),
		"checksum is wrong":            replace(`Größe`, `Große`),
		"an app that this Haberdash":   replace(`{"app":"cart"}`, `{"app":"till"}`),
		"line 1 is not understood":     func(lines []string) []string { return append([]string{"x\n"}, lines...) },
		"something follows its end":    func(lines []string) []string { return append(lines, "\n{}") },
		"the data of users is missing": func(lines []string) []string { return without(t, lines, "users") },
		"of 450 items of users":        func(lines []string) []string { return append(append([]string{}, lines[:9]...), lines[10:]...) },
		"line 5 has no value":          replace(`{"key":"user/2","value":{"name": "<Größe>"}}`, `{"key":"user/2"}`),
		"line 5 is not JSON":           replace(`{"key":"user/2",`, `{"key":`),
	} {
		_, _, err := Check(rewritten(t, path, change))
		require.ErrorIs(t, err, ErrFile, says)
		require.ErrorContains(t, err, says)
	}
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("{}\n"), 0o600))
	_, _, err := Check(plain)
	require.ErrorIs(t, err, ErrFile)
	_, _, err = Check(filepath.Join(t.TempDir(), "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// without leaves an app out, with a trailer that knows nothing of it.
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
	return sealed(t, lines)
}

// An import that meets something else names it, and the file is not to blame.
func TestAnImportOverwritesNothing(t *testing.T) {
	t.Parallel()
	path, to := exported(t), newFake(t)
	to.owns(t, "users", "user/7", `{"name":"somebody else"}`)
	err := Import(t.Context(), to.Shop, path)
	require.ErrorContains(t, err, "import users: the shop answered 409")
	require.ErrorContains(t, err, "user/7")
	require.NotErrorIs(t, err, ErrFile)
	there, err := to.stores["users"].GetMany(t.Context(), []string{"user/0", "user/7"})
	require.NoError(t, err)
	require.Equal(t, map[string]sidecar.Item{"user/7": there["user/7"]}, there)
	require.Equal(t, `{"name":"somebody else"}`, string(there["user/7"].Value))
}

func TestDifferencesAreNamed(t *testing.T) {
	t.Parallel()
	one, two := newFake(t), newFake(t)
	two.commit = 4
	a, err := one.Figures(t.Context())
	require.NoError(t, err)
	b, err := two.Figures(t.Context())
	require.NoError(t, err)
	differences := b.Differences(a)
	require.Len(t, differences, len(logs))
	require.Regexp(t, `^orders: audit is .*"commit":4.*, and was .*"commit":0`, differences[0])
	require.NotEmpty(t, Figures{}.Differences(a))
}
