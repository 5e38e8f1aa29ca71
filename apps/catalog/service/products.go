package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
)

func (s *Service) mountProducts(api huma.API) {
	list := public("list-products", "/api/v1/products", "Browse and search products", "Catalog")
	list.Errors = []int{http.StatusForbidden} // of other than active ones
	httpx.Register(api, list, s.list)
	httpx.Register(api, public("get-product", "/api/v1/products/{idOrHandle}", "A product by id or handle", "Catalog"), s.get)
}

// public names a read that guests may do and staff see more of.
func public(id, path, summary, tag string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{tag},
		Security: httpx.Optional}
}

type listInput struct {
	httpx.Page
	Q        string `query:"q" maxLength:"200" doc:"Search words; all must match"`
	Category string `query:"category" maxLength:"255" doc:"Handle: products of it or of a category below it"`
	Brand    string `query:"brand" maxLength:"250"`
	MinPrice int64  `query:"minPrice" minimum:"0" doc:"Of the cheapest variant, minor units of currency"`
	MaxPrice int64  `query:"maxPrice" minimum:"-1" default:"-1" doc:"Of the cheapest variant, minor units of currency; -1 is no limit"`
	InStock  bool   `query:"inStock" doc:"true: only what can be sold now"`
	Sort     string `query:"sort" enum:"relevance,price,-price,newest,title" default:"relevance"`
	Currency string `query:"currency" pattern:"^([A-Z]{3})?$" doc:"Only products priced in it. Prices and price ranges mean EUR without it"`
	Status   string `query:"status" enum:"active,draft,archived,all" default:"active" doc:"Other than active: staff only"`
}

type facetsView struct {
	Category []listing.Count `json:"category" nullable:"false" doc:"Handles"`
	Brand    []listing.Count `json:"brand" nullable:"false"`
	Price    []listing.Count `json:"price" nullable:"false" doc:"Ranges such as 1000-2499, as minPrice and maxPrice take them"`
}

type listOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         productPageView
}

type productPageView struct {
	httpx.List[productSummaryView]
	Total  int        `json:"total"`
	Facets facetsView `json:"facets"`
}

// list answers from memory. Counts of a facet leave its own filter out, so they are what choosing
// another value would give.
func (s *Service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	q, err := s.query(ctx, in)
	if err != nil {
		return nil, err
	}
	page := s.listing.List(q)
	var skus []string
	for _, e := range page.Entries {
		skus = append(skus, e.SKUs()...)
	}
	levels, err := s.stock.of(ctx, skus)
	if err != nil {
		return nil, err
	}
	out := &listOutput{CacheControl: publicCache, Vary: "Authorization"}
	out.Body.Items = make([]productSummaryView, len(page.Entries))
	for i, e := range page.Entries {
		out.Body.Items[i] = item(e, levels)
	}
	out.Body.Total = page.Total
	out.Body.Facets = facetsView(page.Facets)
	if page.Next != nil {
		out.Body.NextCursor = httpx.Cursor(page.Next)
	}
	out.ETag = `"` + digest(out.Body) + `"`
	if in.Status != product.Active {
		out.CacheControl = privateCache
	}
	return out, nil
}

func (s *Service) query(ctx context.Context, in *listInput) (q listing.Query, err error) {
	q = listing.Query{
		Category: in.Category, Brand: in.Brand, MinPrice: in.MinPrice, Prices: Currency, Currency: in.Currency,
		Sort: listing.Sort(in.Sort), Limit: in.Limit,
	}
	if in.Currency != "" {
		if q.Prices = in.Currency; !money.Known(in.Currency) {
			return q, fault.BadField("query.currency", "is not a currency this shop knows")
		}
	}
	if in.MaxPrice >= 0 {
		q.MaxPrice = &in.MaxPrice
	}
	if in.Status != product.Active {
		if _, err := identity.Require(ctx, identity.Staff); err != nil {
			return q, err
		}
	}
	if q.Status = in.Status; in.Status == "all" {
		q.Status = ""
	}
	if in.Cursor != "" {
		q.After = &listing.Position{}
		if err := in.Position(q.After); err != nil {
			return q, err
		}
		if !q.After.Fits(q.Sort) {
			return q, fault.BadField("query.cursor", "is not a cursor of this list")
		}
	}
	if in.Q != "" {
		if q.Hits, err = s.finder.find(ctx, in.Q); err != nil {
			return q, err
		}
	}
	if in.InStock {
		q.InStock, err = s.stock.filter(ctx)
	}
	return q, err
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

// get shows a product. One that is not for sale is only there for staff.
func (s *Service) get(ctx context.Context, in *getInput) (*productOutput, error) {
	e := s.listing.Get(in.IDOrHandle)
	if e == nil { // another replica may have just made it
		if err := s.catchUp(ctx); err != nil {
			return nil, err
		}
		e = s.listing.Get(in.IDOrHandle)
	}
	if e == nil || (e.Status != product.Active && !identity.Of(ctx).Has(identity.Staff)) {
		return nil, fault.Missing("product")
	}
	out, err := s.show(ctx, e.Product, e.Seq)
	if err == nil && e.Status == product.Active {
		out.CacheControl = publicCache
	}
	return out, err
}

// show reads the stock of a product for its view.
func (s *Service) show(ctx context.Context, p product.Product, seq uint64) (*productOutput, error) {
	levels, err := s.stock.of(ctx, p.SKUs())
	if err != nil {
		return nil, err
	}
	out := &productOutput{CacheControl: privateCache, Vary: "Authorization", Body: view(p, s.listing.Known(p.Categories), levels)}
	out.ETag = etag(seq, out.Body)
	return out, nil
}
