package httpx_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

func TestConditionalRespondsWith304IfTheETagMatches(t *testing.T) {
	t.Parallel()
	h := httpx.Conditional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		} else if r.URL.Path != "/untagged" {
			w.Header().Set("ETag", `"7"`)
		}
		w.Write([]byte("{}"))
	}))
	for _, c := range []struct {
		method, path, match string
		status              int
	}{
		{"GET", "/", `"7"`, 304}, {"HEAD", "/", `"7"`, 304}, {"GET", "/", `"6", W/"7"`, 304}, {"GET", "/", "*", 304},
		{"GET", "/", `"6"`, 200}, {"GET", "/", "7", 200}, {"GET", "/", "", 200}, {"POST", "/", `"7"`, 200},
		{"GET", "/untagged", "*", 200}, {"GET", "/missing", "*", 404},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.match != "" {
			r.Header.Set("If-None-Match", c.match)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, c)
		if c.status == http.StatusNotModified {
			require.Empty(t, w.Body.String())
			require.Equal(t, `"7"`, w.Header().Get("ETag"))
			require.Empty(t, w.Header().Get("Content-Type"))
		} else {
			require.Equal(t, "{}", w.Body.String())
		}
	}
}

func TestConditionalResponsesCanBeFlushed(t *testing.T) {
	t.Parallel()
	h := httpx.Conditional(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("x"))
		require.NoError(t, http.NewResponseController(w).Flush())
	}))
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.Header.Set("If-None-Match", `"1"`)
	h.ServeHTTP(w, r)
	require.True(t, w.Flushed)
}

func TestIfMatchComparesETags(t *testing.T) {
	t.Parallel()
	for header, status := range map[string]int{
		"": 428, `"6"`: 412, `W/"7"`: 412, "7": 412, `"6", "8"`: 412, `"7"`: 0, `"6", "7"`: 0, "*": 0,
	} {
		err := httpx.IfMatch(header, `"7"`)
		if status == 0 {
			require.NoError(t, err, header)
			continue
		}
		var f *fault.Error
		require.True(t, errors.As(err, &f))
		require.Equal(t, status, f.Kind.Status(), header)
		require.Equal(t, "header.If-Match", f.Fields[0].Location)
	}
}

func TestCursorsDecodeToTheirPosition(t *testing.T) {
	t.Parallel()
	type position struct {
		Title string
		N     int64
	}
	rapid.Check(t, func(t *rapid.T) {
		want := position{rapid.String().Draw(t, "title"), rapid.Int64().Draw(t, "n")}
		var got position
		require.NoError(t, httpx.Page{Cursor: *httpx.Cursor(want)}.Position(&got))
		require.Equal(t, want, got)
	})
	first := position{N: 3}
	require.NoError(t, httpx.Page{}.Position(&first))
	require.Equal(t, position{N: 3}, first)
	for _, cursor := range []string{"x", "!!!", "e30=", "W10", *httpx.Cursor("text")} {
		err := httpx.Page{Cursor: cursor}.Position(&position{})
		require.True(t, fault.Is(err, "invalid-request"), cursor)
		require.Equal(t, "query.cursor", fault.Of(err).Fields[0].Location)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(httpx.List[int]{Items: []int{}})
	require.NoError(t, err)
	require.JSONEq(t, `{"items":[],"nextCursor":null}`, string(b))
}
