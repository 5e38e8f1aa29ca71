package service

import (
	"context"
	"net/http"
	"slices"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// offers asks the catalogue for SKUs, in one call; for none it asks nothing.
func (s *Service) offers(ctx context.Context, skus []string) (map[string]cart.Offer, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	slices.Sort(skus)
	var reply contract.VariantsReply
	err := sidecar.Call(ctx, s.catalog, "catalog", http.MethodPost, "/internal/variants", nil,
		contract.VariantsRequest{SKUs: slices.Compact(skus)}, &reply)
	if err != nil {
		return nil, err
	}
	offers := make(map[string]cart.Offer, len(reply.Variants))
	for _, v := range reply.Variants {
		offers[v.SKU] = cart.Offer{SKU: v.SKU, Title: v.Title, Price: v.Price, Available: v.Available, Taxable: v.Taxable, Shipped: v.ShippedGoods}
	}
	return offers, nil
}
