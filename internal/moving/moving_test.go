package moving_test

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
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// goods are values of which none is as json.Marshal would write it.
var goods = []sidecar.Item{
	{Key: "log/orders/1", Value: []byte(`{"w": "<b>","e":[1.0, 1e2]}`)},
	{Key: "sku/%22 \\x", Value: []byte(`"Größe – \u00fc"`)},
	{Key: "sessions/u", Value: []byte(`{}`), TTL: 90 * time.Second},
}

func written(t *testing.T, items ...sidecar.Item) string {
	t.Helper()
	var b bytes.Buffer
	w := moving.NewWriter(&b)
	for _, item := range items {
		require.NoError(t, w.Put(item))
	}
	require.NoError(t, w.Close())
	return b.String()
}

func read(text string) (items []sidecar.Item, err error) {
	for r := moving.NewReader(strings.NewReader(text)); ; {
		item, err := r.Next()
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
}

func TestItemsArriveToTheByte(t *testing.T) {
	t.Parallel()
	items, err := read(written(t, goods...))
	require.Equal(t, io.EOF, err)
	require.Equal(t, goods, items)
	items, err = read(written(t))
	require.Equal(t, io.EOF, err)
	require.Empty(t, items)
	for _, value := range []string{"", "no JSON", "{\n}", "{}{}"} {
		require.ErrorContains(t, moving.NewWriter(io.Discard).Put(sidecar.Item{Key: "k", Value: []byte(value)}), "the value of k")
	}
}

// Wherever a stream breaks off, the reader says so.
func TestACutStreamIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	whole := written(t, goods...)
	for n := range len(whole) - 1 { // without its last byte, the end of the line, it is whole
		_, err := read(whole[:n])
		require.NotEqual(t, io.EOF, err, "%q", whole[:n])
	}
	lines := strings.SplitAfter(whole, "\n")
	for i := range goods {
		_, err := read(strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), ""))
		require.ErrorIs(t, err, moving.ErrCutOff)
	}
}

func TestWrongLinesAreNamed(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`{"key":"k"`: "line 2: is not JSON", `{"value":1}`: "line 2: has no key", `{"key":"a||b","value":1}`: "line 2: has no key",
		`{"key":"ä","value":1}`: "line 2: has no key", `{"key":"k"}`: "line 2: has no value", `{"key":"k","value":1,"ttl":-1}`: "line 2: has a negative ttl",
		strings.Repeat("x", 5<<20): "line 2: ", `[]`: "line 2: is not JSON",
	} {
		_, err := read(`{"key":"a","value":1}` + "\n" + line + "\n" + `{"items":2}`)
		require.ErrorContains(t, err, want)
	}
}

func TestAcceptOverwritesNothing(t *testing.T) {
	t.Parallel()
	ctx, state := t.Context(), memory.NewState()
	require.NoError(t, moving.Accept(ctx, state, goods[:1]))
	require.NoError(t, moving.Accept(ctx, state, append(goods, goods[1])), "what is there already is fine, and what comes twice")
	for _, item := range goods {
		got, err := state.Get(ctx, item.Key)
		require.NoError(t, err)
		require.Equal(t, item.Value, got.Value)
	}

	other := []sidecar.Item{{Key: "new", Value: []byte("1")}, {Key: goods[0].Key, Value: []byte("2")}}
	err := moving.Accept(ctx, state, other)
	require.True(t, fault.Is(err, "already-there"), "%v", err)
	require.Equal(t, goods[0].Key, fault.Of(err).Members["key"])
	missing, err := state.Get(ctx, "new")
	require.NoError(t, err)
	require.False(t, missing.Found(), "nothing of it was written")

	require.NoError(t, moving.Use(ctx, state, time.Now()))
	require.NoError(t, moving.Use(ctx, state, time.Now()), "and at the next start")
	err = moving.Accept(ctx, state, goods)
	require.True(t, fault.Is(err, "not-empty"), "%v", err)
}

// service is one that exports from some sources and imports into state.
func service(state sidecar.State, sources ...moving.Source) *memory.Mesh {
	mesh, router := memory.NewMesh(), chi.NewRouter()
	router.Use(httpx.Trace(zerolog.Nop()), httpx.Recover)
	api := httpx.NewAPI(router, "test")
	moving.MountExport(api, "app", sources...)
	moving.MountImport(api, "app", state)
	mesh.Join("app", router)
	return mesh
}

func call(t *testing.T, mesh *memory.Mesh, method, path, body string) (int, string) {
	t.Helper()
	return callAs(t, mesh, "", method, path, body)
}

// callAs is a call by the sidecar of another app.
func callAs(t *testing.T, mesh *memory.Mesh, caller, method, path, body string) (int, string) {
	t.Helper()
	header := http.Header{"Content-Type": {moving.MediaType}}
	if caller != "" {
		header.Set("Dapr-Caller-App-Id", caller)
	}
	res, err := mesh.Invoke(t.Context(), sidecar.Request{App: "app", Method: method, Path: path, Header: header, Body: strings.NewReader(body)})
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.Status, string(text)
}

func TestOneServicesExportIsAnothersImport(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	source := func(_ context.Context, put func(sidecar.Item) error) error { return put(goods[0]) }
	rest := func(_ context.Context, put func(sidecar.Item) error) error {
		return errors.Join(put(goods[1]), put(goods[2]))
	}
	mesh := service(state, source, rest)
	status, text := call(t, mesh, "GET", "/internal/export", "")
	require.Equal(t, 200, status, text)
	require.Equal(t, written(t, goods...), text)

	status, body := call(t, mesh, "POST", "/internal/import", text)
	require.Equal(t, 200, status, body)
	require.JSONEq(t, `{"items":3}`, body)
	for _, item := range goods {
		got, err := state.Get(t.Context(), item.Key)
		require.NoError(t, err)
		require.Equal(t, item.Value, got.Value)
	}
	status, body = call(t, mesh, "POST", "/internal/import", strings.Replace(text, "1e2", "1e3", 1))
	require.Equal(t, 409, status)
	require.Contains(t, body, `"key":"log/orders/1"`)
}

func TestWrongImportsAreRefusedWhole(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	mesh := service(state)
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

func TestOtherAppsGetNothing(t *testing.T) {
	t.Parallel()
	mesh := service(memory.NewState())
	for method, path := range map[string]string{"GET": "/internal/export", "POST": "/internal/import"} {
		status, text := callAs(t, mesh, "cart", method, path, written(t))
		require.Equal(t, 403, status, text)
		status, text = callAs(t, mesh, "app", method, path, written(t))
		require.Equal(t, 200, status, text)
	}
}

// What breaks while it is exported has no last line.
func TestABrokenExportIsCutOff(t *testing.T) {
	t.Parallel()
	mesh := service(memory.NewState(), func(_ context.Context, put func(sidecar.Item) error) error {
		return errors.Join(put(goods[0]), errors.New("the store is away"))
	})
	_, text := call(t, mesh, "GET", "/internal/export", "")
	_, err := read(text)
	require.ErrorIs(t, err, moving.ErrCutOff)
}
