package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// samples have values that json.Marshal would write in another form.
var samples = []sidecar.Item{
	{Key: "log/orders/1", Value: []byte(`{"w": "<b>","e":[1.0, 1e2]}`)},
	{Key: "sku/%22 \\x", Value: []byte(`"Größe – \u00fc"`)},
	{Key: "sessions/u", Value: []byte(`{}`), TTL: 90 * time.Second},
}

func encode(t *testing.T, items ...sidecar.Item) string {
	t.Helper()
	var b bytes.Buffer
	w := transfer.NewWriter(&b)
	for _, item := range items {
		require.NoError(t, w.Put(item))
	}
	require.NoError(t, w.Close())
	return b.String()
}

func decode(text string) (items []sidecar.Item, err error) {
	for r := transfer.NewReader(strings.NewReader(text)); ; {
		item, err := r.Next()
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
}

func TestValuesAreCopiedByteForByte(t *testing.T) {
	t.Parallel()
	items, err := decode(encode(t, samples...))
	require.Equal(t, io.EOF, err)
	require.Equal(t, samples, items)
	items, err = decode(encode(t))
	require.Equal(t, io.EOF, err)
	require.Empty(t, items)
	for _, value := range []string{"", "no JSON", "{\n}", "{}{}"} {
		err := transfer.NewWriter(io.Discard).Put(sidecar.Item{Key: "k", Value: []byte(value)})
		require.ErrorContains(t, err, "the value of k")
	}
}

func TestATruncatedStreamIsNoticedAtEveryByte(t *testing.T) {
	t.Parallel()
	whole := encode(t, samples...)
	for n := range len(whole) - 1 { // only the final line break may be missing
		_, err := decode(whole[:n])
		require.NotEqual(t, io.EOF, err, "%q", whole[:n])
	}
	lines := strings.SplitAfter(whole, "\n")
	for i := range samples {
		_, err := decode(strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), ""))
		require.ErrorIs(t, err, transfer.ErrTruncated)
	}
}

func TestAnErrorNamesTheWrongLine(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"key":"k"`:                     "line 2: is not JSON",
		`[]`:                             "line 2: is not JSON",
		`{"value":1}`:                    "line 2: has no key",
		`{"key":"a||b","value":1}`:       "line 2: has no key",
		`{"key":"ä","value":1}`:          "line 2: has no key",
		`{"key":"k"}`:                    "line 2: has no value",
		`{"key":"k","value":1,"ttl":-1}`: "line 2: has a negative ttl",
		strings.Repeat("x", 5<<20):       "line 2: ",
	} {
		_, err := decode(`{"key":"a","value":1}` + "\n" + line + "\n" + `{"items":2}`)
		require.ErrorContains(t, err, want)
	}
}

func TestImportOverwritesNothing(t *testing.T) {
	t.Parallel()
	ctx, state := t.Context(), memory.NewState()
	require.NoError(t, transfer.Import(ctx, state, samples[:1]))
	require.NoError(t, transfer.Import(ctx, state, append(samples, samples[1])), "existing and repeated items are ignored")
	for _, item := range samples {
		got, err := state.Get(ctx, item.Key)
		require.NoError(t, err)
		require.Equal(t, item.Value, got.Value)
	}

	other := []sidecar.Item{{Key: "new", Value: []byte("1")}, {Key: samples[0].Key, Value: []byte("2")}}
	err := transfer.Import(ctx, state, other)
	require.True(t, fault.Is(err, "already-there"), "%v", err)
	require.Equal(t, samples[0].Key, fault.Of(err).Members["key"])
	missing, err := state.Get(ctx, "new")
	require.NoError(t, err)
	require.False(t, missing.Found(), "no item was written")

	require.NoError(t, transfer.MarkUsed(ctx, state, time.Now()))
	require.NoError(t, transfer.MarkUsed(ctx, state, time.Now()), "a second start")
	err = transfer.Import(ctx, state, samples)
	require.True(t, fault.Is(err, "not-empty"), "%v", err)
}

// newService joins a mesh as an app that exports from the sources and imports into state.
func newService(state sidecar.State, sources ...transfer.Source) *memory.Mesh {
	mesh, router := memory.NewMesh(), chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover)
	api := httpx.NewAPI(router, "test")
	transfer.MountExport(api, "app", sources...)
	transfer.MountImport(api, "app", state)
	mesh.Join("app", router)
	return mesh
}

func call(t *testing.T, mesh *memory.Mesh, method, path, body string) (int, string) {
	t.Helper()
	return callAs(t, mesh, "", method, path, body)
}

// callAs calls through the sidecar of another app.
func callAs(t *testing.T, mesh *memory.Mesh, caller, method, path, body string) (int, string) {
	t.Helper()
	header := http.Header{"Content-Type": {transfer.MediaType}}
	if caller != "" {
		header.Set("Dapr-Caller-App-Id", caller)
	}
	res, err := mesh.Invoke(t.Context(),
		sidecar.Request{App: "app", Method: method, Path: path, Header: header, Body: strings.NewReader(body)})
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.Status, string(text)
}

func TestAnExportCanBeImported(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	source := func(_ context.Context, put func(sidecar.Item) error) error { return put(samples[0]) }
	rest := func(_ context.Context, put func(sidecar.Item) error) error {
		return errors.Join(put(samples[1]), put(samples[2]))
	}
	mesh := newService(state, source, rest)
	status, text := call(t, mesh, "GET", "/internal/export", "")
	require.Equal(t, 200, status, text)
	require.Equal(t, encode(t, samples...), text)

	status, body := call(t, mesh, "POST", "/internal/import", text)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"items":3}`, body)
	for _, item := range samples {
		got, err := state.Get(t.Context(), item.Key)
		require.NoError(t, err)
		require.Equal(t, item.Value, got.Value)
	}
	status, body = call(t, mesh, "POST", "/internal/import", strings.Replace(text, "1e2", "1e3", 1))
	require.Equal(t, 409, status)
	require.Contains(t, body, `"key":"log/orders/1"`)
}

func TestAWrongImportWritesNothing(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	mesh := newService(state)
	good := `{"key":"a","value":1}` + "\n"
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		"":                            {400, "did not arrive whole"},
		good:                          {400, "did not arrive whole"},
		good + `{"items":2}`:          {400, "did not arrive whole"},
		good + `{"key":"b"}`:          {422, "line 2: has no value"},
		good + "x":                    {422, "line 2: is not JSON"},
		strings.Repeat(good, 250_000): {413, "at most 4194304 bytes"},
	} {
		status, text := call(t, mesh, "POST", "/internal/import", body)
		require.Equal(t, want.status, status, text)
		require.Contains(t, text, want.says)
	}
	item, err := state.Get(t.Context(), "a")
	require.NoError(t, err)
	require.False(t, item.Found())
}

func TestOtherAppsMayNeitherExportNorImport(t *testing.T) {
	t.Parallel()
	mesh := newService(memory.NewState())
	for method, path := range map[string]string{"GET": "/internal/export", "POST": "/internal/import"} {
		status, text := callAs(t, mesh, "cart", method, path, encode(t))
		require.Equal(t, 403, status, text)
		status, text = callAs(t, mesh, "app", method, path, encode(t))
		require.Equal(t, 200, status, text)
	}
}

func TestAFailedExportIsTruncated(t *testing.T) {
	t.Parallel()
	mesh := newService(memory.NewState(), func(_ context.Context, put func(sidecar.Item) error) error {
		return errors.Join(put(samples[0]), errors.New("the store is unavailable"))
	})
	_, text := call(t, mesh, "GET", "/internal/export", "")
	_, err := decode(text)
	require.ErrorIs(t, err, transfer.ErrTruncated)
}
