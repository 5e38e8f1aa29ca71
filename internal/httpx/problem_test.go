package httpx_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares the status and the body of a response with a file.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var v any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
	body, err := json.MarshalIndent(v, "", "  ")
	require.NoError(t, err)
	got := fmt.Sprintf("%d\n%s\n", w.Code, body)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

type input struct {
	httpx.Page
	ID   string `path:"id" maxLength:"8"`
	Body struct {
		Quantity int64    `json:"quantity" minimum:"1" maximum:"1000000"`
		Names    []string `json:"names,omitempty" maxItems:"2"`
	}
}

type output struct {
	ETag string `header:"ETag"`
	Body struct {
		Quantity int64 `json:"quantity"`
	}
}

// serviceWith serves one operation that returns err.
func serviceWith(err error) http.Handler {
	r := chi.NewRouter()
	r.NotFound(httpx.NotFound)
	r.MethodNotAllowed(httpx.MethodNotAllowed)
	a := httpx.NewAPI(r, "Test")
	change := huma.Operation{
		OperationID: "change", Method: http.MethodPost, Path: "/things/{id}", Security: httpx.Optional,
	}
	httpx.Register(a, change, func(_ context.Context, in *input) (*output, error) {
		out := &output{ETag: `"1"`}
		out.Body.Quantity = in.Body.Quantity
		return out, err
	})
	return r
}

func post(h http.Handler, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFaultsBecomeProblems(t *testing.T) {
	t.Parallel()
	conflict := fault.New(fault.Conflict, "out-of-stock", "Not enough of %s.", "MUG").
		With("lines", []map[string]any{{"sku": "MUG", "requested": 3, "available": 1}}).
		With("status", "never overwrites").
		WithField("body.lines[0].quantity", "more than there are").Because(errors.New("secret"))
	for name, err := range map[string]error{
		"conflict": conflict,
		"wrapped":  fmt.Errorf("place: %w", errors.Join(errors.New("secret"), conflict)),
		"internal": errors.New("secret: dial tcp 10.0.0.3"),
		"missing":  fault.Missing("product"),
	} {
		w := post(serviceWith(err), "/things/a", `{"quantity":1}`)
		golden(t, name, w)
		require.NotContains(t, w.Body.String(), "secret")
	}
	unavailable := fault.New(fault.Unavailable, "unavailable", "Later.").After(1200 * time.Millisecond)
	w := post(serviceWith(unavailable), "/things/a", `{"quantity":1}`)
	golden(t, "unavailable", w)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	unauthenticated := fault.New(fault.Unauthenticated, "unauthenticated", "Sign in first.")
	w = post(serviceWith(unauthenticated), "/things/a", `{"quantity":1}`)
	require.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer")
}

func TestBadInputNamesTheField(t *testing.T) {
	t.Parallel()
	h := serviceWith(nil)
	for name, c := range map[string]struct{ target, body string }{
		"unknown-member": {"/things/a", `{"quantity":1,"extra":true}`},
		"wrong-type":     {"/things/a", `{"quantity":"1"}`},
		"zero":           {"/things/a", `{"quantity":0}`},
		"enormous":       {"/things/a", `{"quantity":1000001}`},
		"fraction":       {"/things/a", `{"quantity":1.5}`},
		"no-member":      {"/things/a", `{}`},
		"too-many":       {"/things/a", `{"quantity":1,"names":["a","b","c"]}`},
		"long-id":        {"/things/123456789", `{"quantity":1}`},
		"limit":          {"/things/a?limit=101", `{"quantity":1}`},
		"query":          {"/things/a?unknown=1", `{"quantity":1}`},
		"not-json":       {"/things/a", `{"quantity":`},
		"not-utf8":       {"/things/a", "{\"quantity\":1,\"names\":[\"\xff\"]}"},
		"empty":          {"/things/a", ``},
		"duplicate":      {"/things/a", `{"quantity":1,"quantity":2}`},
		"case":           {"/things/a", `{"quantity":1,"QUANTITY":2}`},
		"nested":         {"/things/a", `{"quantity":1,"names":["a",{"x":1,"x":1}]}`},
		"long-name":      {"/things/a", `{"quantity":1,"` + strings.Repeat("ä", 5000) + `":1}`},
		"values":         {"/things/a", `{"quantity":1,"names":[` + strings.Repeat("1,", 50_000) + `1]}`},
	} {
		golden(t, "input-"+name, post(h, c.target, c.body))
	}
	large := `{"quantity":1,"names":["` + strings.Repeat("x", httpx.MaxBody) + `"]}`
	golden(t, "input-too-large", post(h, "/things/a", large))
	golden(t, "input-media", post(h, "/things/a", "a=1", "Content-Type", "text/plain"))
	require.Equal(t, http.StatusOK, post(h, "/things/a", `{"quantity":1000000}`).Code)
}

// A client may send as many wrong inputs as it likes.
func TestOnlyTheFirstErrorsAreListed(t *testing.T) {
	t.Parallel()
	members, query := `{"quantity":1`, "/things/a?limit=1"
	for i := range 9000 {
		members += fmt.Sprintf(`,"x%d":1`, i)
	}
	for i := range 2000 {
		query += fmt.Sprintf("&x%d=", i)
	}
	for _, w := range []*httptest.ResponseRecorder{
		post(serviceWith(nil), "/things/a", members+"}"), post(serviceWith(nil), query, `{"quantity":1}`),
	} {
		require.Equal(t, http.StatusUnprocessableEntity, w.Code)
		var p httpx.Problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Len(t, p.Errors, 20)
		require.Contains(t, p.Detail, "20 of ")
	}
}

func BenchmarkRefusal(b *testing.B) {
	members := `{"quantity":1`
	for i := range 9000 {
		members += fmt.Sprintf(`,"x%d":1`, i)
	}
	members += "}"
	h := serviceWith(nil)
	for b.Loop() {
		post(h, "/things/a", members)
	}
}

func TestUnknownAddressesAndMethodsAreRefused(t *testing.T) {
	t.Parallel()
	golden(t, "not-found", post(serviceWith(nil), "/nowhere", ""))
	r := httptest.NewRequest(http.MethodDelete, "/things/a", nil)
	w := httptest.NewRecorder()
	serviceWith(nil).ServeHTTP(w, r)
	golden(t, "method", w)
	require.Contains(t, w.Header().Get("Allow"), http.MethodPost)
}

func TestAnExpiredDeadlineIsUnavailableAndNotInternal(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	r.Use(httpx.Deadline(time.Nanosecond))
	a := httpx.NewAPI(r, "Test")
	wait := huma.Operation{OperationID: "wait", Method: http.MethodPost, Path: "/wait"}
	httpx.Register(a, wait, func(ctx context.Context, _ *struct{}) (*output, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	require.Equal(t, http.StatusServiceUnavailable, post(r, "/wait", "").Code)
}

func TestLocationsInTheBodyAreCompleted(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{
		"lines[2].quantity": "body.lines[2].quantity", "email": "body.email", "pathology": "body.pathology",
		"body": "body", "body.email": "body.email", "body[0]": "body[0]",
		"header.Idempotency-Key": "header.Idempotency-Key", "query.limit": "query.limit", "path.sku": "path.sku",
		"path": "path",
	} {
		f := fault.BadField(location, "is wrong")
		require.Equal(t, want, httpx.NewProblem(f).Errors[0].Location)
		require.Equal(t, location, f.Fields[0].Location, "the fault itself stays as it was")
	}
}
