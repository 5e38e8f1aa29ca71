package service

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/internal/shopify"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// maxImport is the largest file in bytes.
const maxImport = 64 << 20

// The kinds of file.
const (
	typeCSV    = "text/csv"
	typeNDJSON = "application/x-ndjson"
)

func (s *Service) mountImport(api huma.API) {
	op := staff("import-products", http.MethodPost, "/api/v1/products/import", "Import products from a file", 0)
	op.Description = "Shopify's product export (text/csv), or one product in this API's form a line (application/x-ndjson), of at most 64 MB. " +
		"Rows merge into the product with their handle: variants and images are added and changed, never removed; a line of x-ndjson replaces its product. " +
		"Quantities of a CSV are received into stock; later ones adjust it by the difference to the last. The same file again changes nothing. " +
		"A row that is wrong is reported and stops nothing else; of more than 1000 errors the first are listed, failed counts all."
	op.MaxBodyBytes = maxImport
	text := func(example string) *huma.MediaType {
		one := 1
		return &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, MinLength: &one}, Example: example}
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		typeCSV:    text("Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\nfelt-hat,Felt hat,HAT-1,5,39.90\n"),
		typeNDJSON: text(`{"handle": "felt-hat", "title": "Felt hat", "variants": [{"sku": "HAT-1", "price": {"amount": 3990, "currency": "EUR"}}]}`),
	}}
	httpx.Register(api, op, s.importFile)
}

type importInput struct {
	Currency      string `query:"currency" default:"EUR" pattern:"^([A-Z]{3})?$" doc:"Of the prices in a CSV"`
	ContentType   string `header:"Content-Type"`
	ContentLength int64  `header:"Content-Length" hidden:"true"`
	body          io.Reader
}

// Resolve implements huma.Resolver: it takes the body as a stream, which huma's own body fields do not.
func (in *importInput) Resolve(ctx huma.Context) []error {
	in.body = ctx.BodyReader()
	return nil
}

type importReport struct {
	Created   int                `json:"created" doc:"New products"`
	Updated   int                `json:"updated" doc:"Products that changed"`
	Unchanged int                `json:"unchanged" doc:"Products that were as in the file already"`
	Failed    int                `json:"failed" doc:"Rows that were left out"`
	Errors    []product.RowError `json:"errors" nullable:"false" doc:"The rows that were left out, and why; at most 1000"`
}

type importOutput struct{ Body importReport }

func (s *Service) importFile(ctx context.Context, in *importInput) (*importOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	if in.ContentLength > maxImport {
		return nil, errTooLarge
	}
	body := &limited{r: in.body, left: maxImport}
	media, _, _ := mime.ParseMediaType(in.ContentType)
	var rows source
	var err error
	switch media {
	case typeCSV:
		rows, err = shopify.NewReader(body, in.Currency, s.clean)
	case typeNDJSON:
		rows = newLines(body, s.clean)
	default:
		err = fault.New(fault.UnsupportedMedia, "unsupported-media-type", "Send %s or %s.", typeCSV, typeNDJSON).WithField("header.Content-Type", "is neither of them")
	}
	if err != nil {
		return nil, readError(err)
	}
	im := newImporter(s)
	if err := im.run(ctx, rows); err != nil {
		return nil, readError(err)
	}
	return &importOutput{im.report}, nil
}

var errTooLarge = fault.New(fault.TooLarge, "body-too-large", "The file is larger than 64 MB. What came before the limit may have been imported.")

// limited reads at most left bytes and then fails, where io.LimitReader would make the file seem to end.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		err = errBroken.Because(err)
	}
	return n, err
}

var errBroken = fault.New(fault.Malformed, "malformed-request", "The file did not arrive whole. Send it again: what is imported already stays as it is.")

// readError keeps faults and makes any other error an outage.
func readError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return outage(err)
}
