package readonly

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// The API document names schemas after these types.
type modeOutput struct {
	Cache string `header:"Cache-Control"`
	Body  mode
}

type setReadOnlyInput struct {
	Body struct {
		ReadOnly bool `json:"readOnly" doc:"true: the shop refuses every request that would change it"`
	}
}

// API returns the operations by which an administrator reads and sets the mode, and their OpenAPI document.
func (s *Switch) API() (http.Handler, json.RawMessage, error) {
	router := chi.NewRouter()
	api := httpx.NewAPI(router, "Haberdash gateway")
	operation := func(id, method, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: Path, Summary: summary, Tags: []string{"Operations"},
			Security: httpx.BearerOf(identity.Admin), Errors: []int{403},
		}
	}
	httpx.Register(api, operation("get-read-only", http.MethodGet, "Whether the shop is read-only"),
		func(ctx context.Context, _ *struct{}) (*modeOutput, error) {
			return &modeOutput{"private, no-cache", s.load(ctx)}, nil
		})
	httpx.Register(api, operation("set-read-only", http.MethodPut, "Make the shop read-only, or writable again"),
		func(ctx context.Context, in *setReadOnlyInput) (*modeOutput, error) {
			now, err := s.set(ctx, in.Body.ReadOnly)
			return &modeOutput{"private, no-cache", now}, err
		})
	document, err := json.Marshal(api.OpenAPI())
	return router, document, err
}
