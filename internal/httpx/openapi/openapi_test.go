package openapi_test

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

type output struct {
	ETag string `header:"ETag"`
	Body struct {
		Quantity int64 `json:"quantity"`
	}
}

func TestEveryResponseIsDescribed(t *testing.T) {
	t.Parallel()
	api := httpx.NewAPI(chi.NewRouter(), "Test")
	change := huma.Operation{OperationID: "change", Method: http.MethodPut, Path: "/things/{id}", Errors: []int{409}}
	httpx.Register(api, change, func(context.Context, *changeInput) (*output, error) { return &output{}, nil })
	read := huma.Operation{OperationID: "read", Method: http.MethodGet, Path: "/things"}
	httpx.Register(api, read, func(context.Context, *readInput) (*output, error) { return &output{}, nil })
	doc := api.OpenAPI()

	put := doc.Paths["/things/{id}"].Put
	require.Equal(t, []string{
		"200", "400", "401", "404", "408", "409", "412", "413", "414", "415", "422", "428", "429", "431", "500", "503",
	}, slices.Sorted(maps.Keys(put.Responses)))
	require.Equal(t, "#/components/responses/Conflict", put.Responses["409"].Ref)
	require.Contains(t, doc.Components.Responses["Unauthorized"].Headers, "WWW-Authenticate")
	for _, response := range doc.Components.Responses {
		require.NotEmpty(t, response.Description)
		require.Contains(t, response.Content, "application/problem+json")
	}
	for _, p := range put.Parameters {
		require.True(t, p.Required, p.Name)
	}

	get := doc.Paths["/things"].Get
	require.Equal(t, []string{"200", "304", "400", "401", "414", "422", "429", "431", "500", "503"},
		slices.Sorted(maps.Keys(get.Responses)))
	require.Equal(t, "If-None-Match", get.Parameters[len(get.Parameters)-1].Name)
}

type thingView struct {
	Name string `json:"name"`
}

type thingsOutput struct{ Body httpx.List[thingView] }

func TestSchemasHaveNamesForClients(t *testing.T) {
	t.Parallel()
	api := httpx.NewAPI(chi.NewRouter(), "Test")
	change := huma.Operation{OperationID: "change", Method: http.MethodPost, Path: "/things/{id}"}
	httpx.Register(api, change,
		func(context.Context, *changeInput) (*thingsOutput, error) { return &thingsOutput{}, nil })
	schemas := api.OpenAPI().Components.Schemas.Map()
	require.Contains(t, schemas, "ChangeRequest")
	require.Contains(t, schemas, "ThingList")
	require.Contains(t, schemas, "Thing")
}
