package service

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/demo"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
)

// mountPictures adds the operation that serves the pictures of the demo products.
func mountPictures(api huma.API) {
	httpx.Register(api, huma.Operation{
		OperationID: "get-media", Method: http.MethodGet, Path: "/media/{file}", Tags: []string{"Catalog"},
		Summary: "A picture of the demo catalogue",
		Responses: map[string]*huma.Response{"200": {
			Description: "An SVG drawing",
			Content:     map[string]*huma.MediaType{"image/svg+xml": {Schema: &huma.Schema{Type: huma.TypeString}}},
		}},
	}, getPicture)
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

func getPicture(_ context.Context, in *mediaInput) (*mediaOutput, error) {
	name, ok := strings.CutSuffix(in.File, ".svg")
	picture, found := demo.Picture(name)
	if !ok || !found {
		return nil, fault.Missing("picture")
	}
	return &mediaOutput{
		ContentType: "image/svg+xml", ETag: resource.DigestETag(picture), CacheControl: "public, max-age=604800",
		Policy: "default-src 'none'; style-src 'unsafe-inline'", Body: picture,
	}, nil
}
