// Package products serves the products of the catalogue over HTTP: lists with search, filters and facets, single
// products, edits by staff, and variants for other services.
package products

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/catalog"
	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/resource"
	"haberdash/apps/catalog/service/search"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// Deps are the dependencies of the service.
type Deps struct {
	Catalog      *catalog.Catalog // changes products
	Listing      *listing.Listing
	Search       *search.Index
	Availability *Availability
	Sanitise     func(html string) string // makes HTML harmless
}

// Service serves products.
type Service struct{ Deps }

// New makes the service.
func New(d Deps) *Service { return &Service{d} }

// Mount adds the service's operations to the API.
func (s *Service) Mount(api huma.API) {
	const all, one = "/api/v1/products", "/api/v1/products/{idOrHandle}"
	list := resource.Public("list-products", all, "Browse and search products")
	list.Errors = []int{http.StatusForbidden} // for other than active products
	httpx.Register(api, list, s.list)
	httpx.Register(api, resource.Public("get-product", one, "A product by id or handle"), s.get)
	create := resource.Staff("create-product", http.MethodPost, all, "Add a product",
		http.StatusCreated, http.StatusConflict)
	httpx.Register(api, create, s.create)
	replace := resource.Staff("replace-product", http.MethodPut, one, "Replace a product", 0, http.StatusConflict)
	httpx.Register(api, replace, s.replace)
	remove := resource.Staff("delete-product", http.MethodDelete, one,
		"Remove a product; its handle and SKUs are free again", http.StatusNoContent)
	httpx.Register(api, remove, s.delete)
	httpx.Register(api, huma.Operation{
		OperationID: "get-variants", Method: http.MethodPost, Path: "/internal/variants", Tags: []string{"Internal"},
		Summary: "Variants for sale, by SKU",
	}, s.variants)
}

type getInput struct {
	IDOrHandle string `path:"idOrHandle" maxLength:"255"`
}

type productOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Location     string `header:"Location"`
	Body         productView
}

// get shows a product. Only staff see one that is not for sale.
func (s *Service) get(ctx context.Context, in *getInput) (*productOutput, error) {
	e := s.Listing.Get(in.IDOrHandle)
	if isStaff(ctx) || !forSale(e) {
		if err := s.Listing.CatchUp(ctx); err != nil {
			return nil, err
		}
		e = s.Listing.Get(in.IDOrHandle)
	}
	if e == nil || !forSale(e) && !isStaff(ctx) {
		return nil, fault.Missing("product")
	}
	out, err := s.show(ctx, e.Product, e.Seq)
	if err == nil && e.Status == product.Active {
		out.CacheControl = resource.PublicCache
	}
	return out, err
}

func forSale(e *listing.Entry) bool { return e != nil && e.Status == product.Active }

// isStaff reports whether the caller is staff. They see the catalogue and the stock as they are at the end of the logs,
// because they may have changed them a moment ago, through another replica. Others may see what is a second old, but
// are refused nothing because of it.
func isStaff(ctx context.Context) bool { return identity.Of(ctx).Has(identity.Staff) }

// show shows a product with its stock.
func (s *Service) show(ctx context.Context, p product.Product, version uint64) (*productOutput, error) {
	levels, err := s.Availability.Of(ctx, p.SKUs())
	if err != nil {
		return nil, err
	}
	shown := view(p, s.Listing.ExistingCategories(p.Categories), levels)
	return &productOutput{
		ETag: resource.ETag(version, shown), CacheControl: resource.PrivateCache, Vary: "Authorization", Body: shown,
	}, nil
}
