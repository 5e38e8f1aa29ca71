package service

import (
	"context"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

type (
	quoteInput struct{ Body contract.QuoteRequest }
	quoteReply struct{ Body contract.Quote }
)

// quote prices a cart for an order, at the prices that the buyer was last shown or not at all: when the
// catalogue's differ they are taken over, and the buyer is told (price-changed).
func (s *Service) quote(ctx context.Context, in *quoteInput) (*quoteReply, error) {
	if !pricing.Country(in.Body.ShippingAddress.Country) {
		return nil, unknownCountry("body.shippingAddress.country")
	}
	return again(func() (*quoteReply, error) {
		c, err := s.visible(ctx, in.Body.CartID)
		if err != nil {
			return nil, err
		}
		offers, err := s.orderable(ctx, c)
		if err != nil {
			return nil, err
		}
		return s.quoteAt(c, offers, in.Body)
	})
}

// orderable refuses a cart that cannot become an order: empty-cart (422), cart-changed (409, skus) when
// a line is no longer sold, price-changed (409, lines).
func (s *Service) orderable(ctx context.Context, c stored) (map[string]cart.Offer, error) {
	skus := c.SKUs()
	if len(skus) == 0 {
		return nil, fault.New(fault.Invalid, "empty-cart", "There is nothing in the cart.").WithField("body.cartId", "names an empty cart")
	}
	offers, err := s.offers(ctx, skus)
	if err != nil {
		return nil, err
	}
	if gone := c.Vanished(offers); len(gone) > 0 {
		return nil, fault.New(fault.Conflict, "cart-changed", "Something in the cart is no longer sold. Look at the cart again.").With("skus", gone)
	}
	changes := c.Refresh(offers)
	if err := s.carts.save(ctx, c); err != nil {
		return nil, err
	}
	if len(changes) == 0 {
		return offers, nil
	}
	lines := make([]contract.PriceChangedLine, len(changes))
	for i, p := range changes {
		lines[i] = contract.PriceChangedLine{SKU: p.SKU, Was: p.Was, Now: p.Now}
	}
	return nil, fault.New(fault.Conflict, "price-changed", "Prices have changed since the cart was last looked at.").With("lines", lines)
}

func (s *Service) quoteAt(c stored, offers map[string]cart.Offer, in contract.QuoteRequest) (*quoteReply, error) {
	snapshot := c.Snapshot()
	option := in.ShippingOption
	if option == "" {
		option = snapshot.Option // where it is not on offer for the address, the cheapest is taken
	}
	q, err := s.priceAt(snapshot, offers, in.ShippingAddress.Country, option)
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
			Discount: p.Discount, Tax: p.Tax, Total: p.Total}
	}
	return &quoteReply{body}, nil
}
