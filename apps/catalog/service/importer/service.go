// Package importer imports products from files over HTTP. It also has the stock receive the quantities that imports
// have counted.
package importer

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/shopify"
	"haberdash/apps/catalog/service/products"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// MaxFile is the size of a file in bytes.
const MaxFile = 64 << 20

// The types of files.
const (
	typeCSV    = "text/csv"
	typeNDJSON = "application/x-ndjson"
)

// Deps are the dependencies of the service.
type Deps struct {
	Catalog      *catalog.Catalog // changes products
	Listing      *listing.Listing
	Availability *products.Availability   // receives stock
	Sanitise     func(html string) string // makes HTML harmless
	Metrics      prometheus.Registerer    // none if nil
}

// Service imports files.
type Service struct {
	Deps
	metrics   metrics
	receiving sync.Mutex // see ReceiveStock
}

// New makes the service.
func New(d Deps) *Service { return &Service{Deps: d, metrics: newMetrics(d.Metrics)} }

// Mount adds the service's operation to the API.
func (s *Service) Mount(api huma.API) {
	op := resource.Staff("import-products", http.MethodPost, "/api/v1/products/import", "Import products from a file", 0)
	op.Description = "Shopify's product export (text/csv), or one product in this API's form a line " +
		"(application/x-ndjson), of at most 64 MB. " +
		"Rows merge into the product with their handle: variants and images are added and changed, never removed; " +
		"a line of x-ndjson replaces its product. " +
		"Quantities of a CSV are received into stock; a later import changes the stock by the " +
		"difference from the quantity before. " +
		"The same file again changes nothing. " +
		"An invalid row is reported and does not stop the import. At most 1000 errors are listed; " +
		"failed counts all."
	op.MaxBodyBytes = MaxFile
	text := func(example string) *huma.MediaType {
		one := 1
		return &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, MinLength: &one}, Example: example}
	}
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		typeCSV: text("Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\nfelt-hat,Felt hat,HAT-1,5,39.90\n"),
		typeNDJSON: text(`{"handle": "felt-hat", "title": "Felt hat", ` +
			`"variants": [{"sku": "HAT-1", "price": {"amount": 3990, "currency": "EUR"}}]}`),
	}}
	httpx.Register(api, op, s.importFile)
}

type importInput struct {
	Currency      string `query:"currency" default:"EUR" pattern:"^([A-Z]{3})?$" doc:"Of the prices in a CSV"`
	ContentType   string `header:"Content-Type"`
	ContentLength int64  `header:"Content-Length" hidden:"true"`
	body          io.Reader
}

// Resolve implements huma.Resolver. It reads the body as a stream, which huma's own body fields do not.
func (in *importInput) Resolve(ctx huma.Context) []error {
	in.body = ctx.BodyReader()
	return nil
}

type importReport struct {
	Created   int                `json:"created" doc:"New products"`
	Updated   int                `json:"updated" doc:"Products that changed"`
	Unchanged int                `json:"unchanged" doc:"Products that the import did not change"`
	Failed    int                `json:"failed" doc:"Rows that were left out"`
	Errors    []imports.RowError `json:"errors" nullable:"false" doc:"The rows that were left out, and why; at most 1000"`
}

type importOutput struct{ Body importReport }

func (s *Service) importFile(ctx context.Context, in *importInput) (*importOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	report, err := s.importItems(ctx, in)
	s.metrics.count(report)
	s.metrics.end(err)
	if err != nil {
		return nil, err
	}
	telemetry.Log(ctx).Info().Str(field.Action, "catalog.imported").Int(field.Created, report.Created).
		Int(field.Updated, report.Updated).Int(field.Failed, report.Failed).Msg("catalog.imported")
	return &importOutput{report}, nil
}

// importItems imports a file. After an error the report has what was imported before.
func (s *Service) importItems(ctx context.Context, in *importInput) (importReport, error) {
	if in.ContentLength > MaxFile {
		return importReport{}, errTooLarge
	}
	items, err := s.open(in)
	if err != nil {
		return importReport{}, err
	}
	f := newFileImport(s)
	err = f.run(ctx, items)
	return f.report, err
}

// open reads the beginning of the file.
func (s *Service) open(in *importInput) (source, error) {
	body := &limited{r: in.body, left: MaxFile}
	switch media, _, _ := mime.ParseMediaType(in.ContentType); media {
	case typeCSV:
		if !money.Known(in.Currency) {
			return nil, fault.BadField("query.currency", "is not a currency this shop knows")
		}
		items, err := shopify.NewReader(body, in.Currency, s.Sanitise)
		var notExport shopify.FileError
		if errors.As(err, &notExport) {
			return nil, fault.BadField("body", string(notExport))
		}
		return items, err
	case typeNDJSON:
		return newLineReader(body, s.Sanitise), nil
	}
	return nil, fault.New(fault.UnsupportedMedia, "unsupported-media-type", "Send %s or %s.", typeCSV, typeNDJSON).
		WithField("header.Content-Type", "is neither of them")
}

var errTooLarge = fault.New(fault.TooLarge, "body-too-large",
	"The file is larger than 64 MB. What came before the limit may have been imported.")

var errIncomplete = fault.New(fault.Malformed, "malformed-request",
	"The file did not arrive whole. Send it again: what is imported already stays as it is.")

// limited reads at most left bytes and then fails. With io.LimitReader the file would seem to end.
type limited struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		err = errIncomplete.Because(err)
	}
	return n, err
}
