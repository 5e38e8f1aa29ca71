package httpx_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx"
)

type changeInput struct {
	ID      string `path:"id"`
	IfMatch string `header:"If-Match" mandatory:"true"`
	Body    struct {
		Name *string `json:"name,omitempty"`
	}
}

type readInput struct {
	httpx.Page
}

func TestEveryAnswerIsDescribed(t *testing.T) {
	t.Parallel()
	a := httpx.NewAPI(chi.NewRouter(), "Test")
	httpx.Register(a, huma.Operation{OperationID: "change", Method: http.MethodPut, Path: "/things/{id}", Errors: []int{409}},
		func(context.Context, *changeInput) (*output, error) { return &output{}, nil })
	httpx.Register(a, huma.Operation{OperationID: "read", Method: http.MethodGet, Path: "/things"},
		func(context.Context, *readInput) (*output, error) { return &output{}, nil })
	doc := a.OpenAPI()

	change := doc.Paths["/things/{id}"].Put
	require.Equal(t, []string{"200", "400", "401", "404", "409", "412", "413", "414", "415", "422", "428", "429", "431", "500", "503"},
		slices.Sorted(maps.Keys(change.Responses)))
	require.Equal(t, "#/components/responses/Conflict", change.Responses["409"].Ref)
	require.Contains(t, doc.Components.Responses["Unauthorized"].Headers, "WWW-Authenticate")
	for _, answer := range doc.Components.Responses {
		require.NotEmpty(t, answer.Description)
		require.Contains(t, answer.Content, "application/problem+json")
	}
	for _, p := range change.Parameters {
		require.True(t, p.Required, p.Name)
	}

	read := doc.Paths["/things"].Get
	require.Equal(t, []string{"200", "304", "400", "401", "414", "422", "429", "431", "500", "503"}, slices.Sorted(maps.Keys(read.Responses)))
	require.Equal(t, "If-None-Match", read.Parameters[len(read.Parameters)-1].Name)
}

// The document says of no member that it may be null, so none may.
func TestNullIsNoValue(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	a := httpx.NewAPI(r, "Test")
	httpx.Register(a, huma.Operation{OperationID: "change", Method: http.MethodPost, Path: "/things/{id}"},
		func(context.Context, *changeInput) (*output, error) { return &output{}, nil })
	require.Equal(t, http.StatusOK, post(r, "/things/a", `{}`).Code)
	for _, body := range []string{`{"name":null}`, `null`} {
		w := post(r, "/things/a", body)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, body)
	}
	require.Contains(t, post(r, "/things/a", `{"name":null}`).Body.String(), `"location":"body.name"`)
}

func TestSchemasHaveNamesForClients(t *testing.T) {
	t.Parallel()
	a := httpx.NewAPI(chi.NewRouter(), "Test")
	httpx.Register(a, huma.Operation{OperationID: "change", Method: http.MethodPost, Path: "/things/{id}"},
		func(context.Context, *changeInput) (*thingsOutput, error) { return &thingsOutput{}, nil })
	schemas := a.OpenAPI().Components.Schemas.Map()
	require.Contains(t, schemas, "ChangeRequest")
	require.Contains(t, schemas, "ThingList")
	require.Contains(t, schemas, "Thing")
}

type thingView struct {
	Name string `json:"name"`
}

type thingsOutput struct{ Body httpx.List[thingView] }
