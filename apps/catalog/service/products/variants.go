package products

import (
	"context"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/contract"
)

type variantsInput struct{ Body contract.VariantsRequest }

type variantsOutput struct{ Body contract.VariantsReply }

// variants answers in the order of the request, each SKU once. It leaves out SKUs that are not for sale.
func (s *Service) variants(ctx context.Context, in *variantsInput) (*variantsOutput, error) {
	if err := s.catchUpIfMissing(ctx, in.Body.SKUs); err != nil {
		return nil, err
	}
	out := &variantsOutput{Body: contract.VariantsReply{Variants: []contract.Variant{}}}
	var skus []string
	seen := map[string]bool{}
	for _, sku := range in.Body.SKUs {
		e, v, ok := s.Listing.Variant(sku)
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
	levels, err := s.Availability.Of(ctx, skus)
	if err != nil {
		return nil, err
	}
	for i, v := range out.Body.Variants {
		out.Body.Variants[i].Available = max(0, levels[v.SKU])
	}
	return out, nil
}

// catchUpIfMissing catches up with the log if one of the SKUs is not for sale: another replica may have created it a
// moment ago, or put it on sale.
func (s *Service) catchUpIfMissing(ctx context.Context, skus []string) error {
	for _, sku := range skus {
		if e, _, known := s.Listing.Variant(sku); !known || !forSale(e) {
			return s.Listing.CatchUp(ctx)
		}
	}
	return nil
}
