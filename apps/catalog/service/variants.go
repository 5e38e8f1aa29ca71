package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

func (s *Service) mountVariants(api huma.API) {
	httpx.Register(api, huma.Operation{
		OperationID: "get-variants", Method: http.MethodPost, Path: "/internal/variants", Tags: []string{"Internal"},
		Summary: "Variants for sale, by SKU",
	}, s.variants)
}

type variantsInput struct{ Body contract.VariantsRequest }

type variantsOutput struct{ Body contract.VariantsReply }

// Compare finds, of what buyers were shown, what is no longer sold, and what is sold at another price or taxed or
// shipped in another way. Nobody is refused for what another replica has changed a moment ago.
func (s *Service) Compare(ctx context.Context, shown []contract.Shown) (gone []string, changed []contract.PriceChangedLine, err error) {
	if gone, changed = s.compare(shown); len(gone)+len(changed) == 0 {
		return nil, nil, nil
	}
	if err := s.catchUp(ctx); err != nil {
		return nil, nil, err
	}
	gone, changed = s.compare(shown)
	return gone, changed, nil
}

// catchUp takes in what other replicas have committed. It happens by itself within a second.
func (s *Service) catchUp(ctx context.Context) error {
	_, err := s.log.Do(ctx, nil, func(*commitlog.Tx[product.State]) error { return nil }) // answered when the log was seen to end
	return err
}

func (s *Service) compare(shown []contract.Shown) (gone []string, changed []contract.PriceChangedLine) {
	for _, was := range shown {
		e, v, ok := s.listing.Variant(was.SKU)
		switch {
		case !ok || e.Status != product.Active || v.Price.Currency != was.UnitPrice.Currency:
			gone = append(gone, was.SKU)
		case v.Price != was.UnitPrice, v.Taxable != was.Taxable, v.RequiresShipping != was.Shipped:
			changed = append(changed, contract.PriceChangedLine{SKU: was.SKU, Was: was.UnitPrice, Now: v.Price})
		}
	}
	return gone, changed
}

// variants answers in the order asked, each SKU once; those that are not for sale are left out.
func (s *Service) variants(ctx context.Context, in *variantsInput) (*variantsOutput, error) {
	for _, sku := range in.Body.SKUs {
		if _, _, known := s.listing.Variant(sku); !known {
			if err := s.catchUp(ctx); err != nil {
				return nil, err
			}
			break
		}
	}
	out := &variantsOutput{Body: contract.VariantsReply{Variants: []contract.Variant{}}}
	var skus []string
	seen := map[string]bool{}
	for _, sku := range in.Body.SKUs {
		e, v, ok := s.listing.Variant(sku)
		if !ok || e.Status != product.Active || seen[sku] {
			continue
		}
		seen[sku] = true
		skus = append(skus, sku)
		out.Body.Variants = append(out.Body.Variants, contract.Variant{
			SKU: sku, ProductID: e.ID, Handle: e.Handle, Title: e.LineTitle(v), Image: e.ImageOf(v), Price: v.Price,
			Taxable: v.Taxable, ShippedGoods: v.RequiresShipping, Grams: v.Grams,
		})
	}
	levels, err := s.stock.of(ctx, skus)
	if err != nil {
		return nil, err
	}
	for i, v := range out.Body.Variants {
		out.Body.Variants[i].Available = max(0, levels[v.SKU])
	}
	return out, nil
}
