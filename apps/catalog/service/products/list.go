package products

import (
	"context"

	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/service/resource"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/money"
)

// defaultCurrency is that of prices and price ranges in a query without a currency.
const defaultCurrency = "EUR"

type listInput struct {
	httpx.Page
	Q        string `query:"q" maxLength:"200" doc:"Search words; all must match"`
	Category string `query:"category" maxLength:"255" doc:"Handle: products of it or of a category below it"`
	Brand    string `query:"brand" maxLength:"250"`
	MinPrice int64  `query:"minPrice" minimum:"0" doc:"Of the cheapest variant, minor units of currency"`
	MaxPrice int64  `query:"maxPrice" minimum:"-1" default:"-1" doc:"Of the cheapest variant, minor units of currency; -1 is no limit"`
	InStock  bool   `query:"inStock" doc:"true: only products that can be sold now"`
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

// list answers from memory. The counts of a facet do not apply its own filter: they are what another value would give.
func (s *Service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	page, err := s.page(ctx, in)
	if err != nil {
		return nil, err
	}
	var skus []string
	for _, e := range page.Entries {
		skus = append(skus, e.SKUs()...)
	}
	levels, err := s.Availability.Of(ctx, skus)
	if err != nil {
		return nil, err
	}
	out := &listOutput{CacheControl: resource.PublicCache, Vary: "Authorization"}
	out.Body.Items = make([]productSummaryView, len(page.Entries))
	for i, e := range page.Entries {
		out.Body.Items[i] = summary(e, levels)
	}
	out.Body.Total = page.Total
	out.Body.Facets = facetsView(page.Facets)
	if page.Next != nil {
		out.Body.NextCursor = httpx.Cursor(page.Next)
	}
	out.ETag = resource.DigestETag(out.Body)
	if in.Status != product.Active {
		out.CacheControl = resource.PrivateCache
	}
	return out, nil
}

// page looks at the end of the log for staff, and before it tells others that there is nothing.
func (s *Service) page(ctx context.Context, in *listInput) (listing.Page, error) {
	if !isStaff(ctx) {
		q, err := s.query(ctx, in)
		if err != nil {
			return listing.Page{}, err
		}
		if page := s.Listing.List(q); page.Total > 0 {
			return page, nil
		}
	}
	if err := s.Listing.CatchUp(ctx); err != nil {
		return listing.Page{}, err
	}
	q, err := s.query(ctx, in)
	if err != nil {
		return listing.Page{}, err
	}
	return s.Listing.List(q), nil
}

func (s *Service) query(ctx context.Context, in *listInput) (q listing.Query, err error) {
	q = listing.Query{
		Category: in.Category, Brand: in.Brand, MinPrice: in.MinPrice, Prices: defaultCurrency, Currency: in.Currency,
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
		if q.Hits, err = s.Search.Find(ctx, in.Q); err != nil {
			return q, err
		}
	}
	if in.InStock {
		q.InStock, err = s.Availability.Filter(ctx)
	}
	return q, err
}
