package service

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/demo"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

func (s *Service) mountMedia(api huma.API) {
	httpx.Register(api, huma.Operation{
		OperationID: "get-media", Method: http.MethodGet, Path: "/media/{file}", Tags: []string{"Catalog"},
		Summary: "A picture of the demo catalogue",
		Responses: map[string]*huma.Response{"200": {
			Description: "An SVG drawing", Content: map[string]*huma.MediaType{"image/svg+xml": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, s.media)
}

type mediaInput struct {
	File string `path:"file" maxLength:"255" doc:"handle.svg, or handle_colour.svg"`
}

type mediaOutput struct {
	ContentType  string `header:"Content-Type"`
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Policy       string `header:"Content-Security-Policy"`
	Body         []byte
}

func (s *Service) media(_ context.Context, in *mediaInput) (*mediaOutput, error) {
	name, ok := strings.CutSuffix(in.File, ".svg")
	picture, found := demo.Picture(name)
	if !ok || !found {
		return nil, fault.Missing("picture")
	}
	return &mediaOutput{
		ContentType: "image/svg+xml", ETag: `"` + digest(picture) + `"`, CacheControl: "public, max-age=604800",
		Policy: "default-src 'none'; style-src 'unsafe-inline'", Body: picture,
	}, nil
}

// loadDemo imports the demo catalogue in one commit: all or nothing.
func (s *Service) loadDemo(ctx context.Context) error {
	items := demo.Items()
	for i := range items {
		items[i].Whole.Description = s.clean(items[i].Whole.Description)
	}
	_, err := s.catalog.Import(ctx, items)
	return err
}
