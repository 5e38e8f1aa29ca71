package service

import (
	"context"

	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

type (
	quoteInput struct{ Body contract.QuoteRequest }
	quoteReply struct{ Body contract.Quote }
)

// quote prices a cart for an order by what its buyer was last shown. It asks the catalogue nothing, so that a
// buyer waits for one call less: catalog compares when it reserves. Renew takes over what the catalogue says,
// and tells the buyer of it (price-changed).
func (s *Service) quote(ctx context.Context, in *quoteInput) (*quoteReply, error) {
	if !pricing.IsCountry(in.Body.ShippingAddress.Country) {
		return nil, unknownCountry("body.shippingAddress.country")
	}
	return again(func() (*quoteReply, error) {
		c, err := s.visible(ctx, in.Body.CartID)
		if err != nil {
			return nil, err
		}
		if len(c.SKUs()) == 0 {
			return nil, fault.New(fault.Invalid, "empty-cart", "There is nothing in the cart.").WithField("body.cartId", "names an empty cart")
		}
		if in.Body.Renew {
			if err := s.renew(ctx, c); err != nil {
				return nil, err
			}
		}
		return s.quoteAt(c, in.Body)
	})
}

// renew has the cart take over what the catalogue says. It refuses a cart of which a line is no longer sold:
// cart-changed (409, skus); or where prices are not those that were shown: price-changed (409, lines).
func (s *Service) renew(ctx context.Context, c stored) error {
	offers, err := s.offers(ctx, c.SKUs())
	if err != nil {
		return err
	}
	if gone := c.Vanished(offers); len(gone) > 0 {
		return contract.CartChanged(gone)
	}
	changes := c.Refresh(offers)
	if err := s.carts.save(ctx, c); err != nil || len(changes) == 0 {
		return err
	}
	lines := make([]contract.PriceChangedLine, len(changes))
	for i, p := range changes {
		lines[i] = contract.PriceChangedLine{SKU: p.SKU, Was: p.Was, Now: p.Now}
	}
	return contract.PriceChanged(lines)
}

func (s *Service) quoteAt(c stored, in contract.QuoteRequest) (*quoteReply, error) {
	snapshot := c.Snapshot()
	option := in.ShippingOption
	if option == "" {
		option = snapshot.Option // where it is not on offer for the address, the cheapest is taken
	}
	q, err := s.priceAt(snapshot, in.ShippingAddress.Country, option)
	if err != nil {
		return nil, err
	}
	if in.ShippingOption != "" && !pricing.Offered(q.Options, in.ShippingOption) {
		return nil, unknownOption("body.shippingOption")
	}
	body := contract.Quote{
		CartID: c.id, CartVersion: snapshot.Version, Lines: make([]contract.QuoteLine, len(snapshot.Lines)),
		Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, ShippingTax: q.ShippingTax, Tax: q.Tax, Total: q.Total,
		ShippingOption: q.Option, Coupons: append([]string{}, snapshot.Coupons...),
	}
	for i, l := range snapshot.Lines {
		p := q.Lines[i]
		body.Lines[i] = contract.QuoteLine{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice,
			Taxable: l.Taxable, Shipped: l.Shipped, Discount: p.Discount, Tax: p.Tax, Total: p.Total}
	}
	return &quoteReply{body}, nil
}
