package httpx_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/internal/httpx"
)

type optionalInput struct {
	ID   string `path:"id"`
	Body struct {
		Name *string `json:"name,omitempty"`
	}
}

// The OpenAPI document allows null for no member.
func TestNullIsRefused(t *testing.T) {
	t.Parallel()
	r := chi.NewRouter()
	change := huma.Operation{OperationID: "change", Method: http.MethodPost, Path: "/things/{id}"}
	httpx.Register(httpx.NewAPI(r, "Test"), change,
		func(context.Context, *optionalInput) (*output, error) { return &output{}, nil })
	require.Equal(t, http.StatusOK, post(r, "/things/a", `{}`).Code)
	for _, body := range []string{`{"name":null}`, `null`} {
		require.Equal(t, http.StatusUnprocessableEntity, post(r, "/things/a", body).Code, body)
	}
	require.Contains(t, post(r, "/things/a", `{"name":null}`).Body.String(), `"location":"body.name"`)
}
