// Package quotes prices carts from the catalogue's offers and the pricing rules. It serves the price of an order to the
// orders service: POST /internal/quotes, see contract.Quote.
package quotes

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/internal/pricing"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
)

// Quotes prices carts. It is safe for concurrent use.
type Quotes struct {
	Carts   storage.Carts
	Catalog sidecar.Invoker
	Rules   pricing.Rules
}

// Offers reads the offers of SKUs with one call of the catalogue, and without a call if there are no SKUs. SKUs that
// are not sold are missing from the result.
func (q Quotes) Offers(ctx context.Context, skus []string) (map[string]cart.Offer, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	slices.Sort(skus)
	var reply contract.VariantsReply
	err := sidecar.Call(ctx, q.Catalog, "catalog", http.MethodPost, "/internal/variants", nil,
		contract.VariantsRequest{SKUs: slices.Compact(skus)}, &reply)
	if err != nil {
		return nil, err
	}
	offers := make(map[string]cart.Offer, len(reply.Variants))
	for _, v := range reply.Variants {
		offers[v.SKU] = cart.Offer{SKU: v.SKU, Title: v.Title, Price: v.Price, Available: v.Available,
			Taxable: v.Taxable, Shipped: v.ShippedGoods}
	}
	return offers, nil
}

// Price prices a cart for its own address and shipping option, at the prices that the buyer was last shown.
func (q Quotes) Price(c cart.Snapshot) (pricing.Quote, error) {
	country := ""
	if c.Address != nil {
		country = c.Address.Country
	}
	return q.PriceFor(c, country, c.Option)
}

// PriceFor is Price for another country and shipping option.
func (q Quotes) PriceFor(c cart.Snapshot, country, option string) (pricing.Quote, error) {
	o := pricing.Order{Currency: c.Currency, Coupons: c.Coupons, Country: country, Option: option}
	for _, l := range c.Lines {
		o.Lines = append(o.Lines,
			pricing.Line{Quantity: l.Quantity, UnitPrice: l.UnitPrice, Taxable: l.Taxable, Shipped: l.Shipped})
	}
	return q.Rules.Price(o)
}

type (
	quoteInput  struct{ Body contract.QuoteRequest }
	quoteOutput struct{ Body contract.Quote }
)

// Mount adds the operation to an API.
func (q Quotes) Mount(api huma.API) {
	httpx.Register(api, huma.Operation{OperationID: "quote", Method: http.MethodPost, Path: "/internal/quotes",
		Summary: "What an order of a cart would cost now", Tags: []string{"Internal"}, Security: httpx.Optional,
		Errors: []int{http.StatusNotFound, http.StatusConflict}}, q.quote)
}

// quote prices a cart for an order at the prices that the buyer was last shown. It does not call the catalogue, which
// compares the prices itself when it reserves the goods. With Renew it updates the cart from the catalogue first, and
// refuses if that changes a price.
func (q Quotes) quote(ctx context.Context, in *quoteInput) (*quoteOutput, error) {
	if err := pricing.CheckCountry("shippingAddress.country", in.Body.ShippingAddress.Country); err != nil {
		return nil, err
	}
	out := &quoteOutput{}
	err := sidecar.RetryConflicts(func() error {
		c, err := q.Carts.LoadVisible(ctx, in.Body.CartID, identity.Of(ctx).UserID)
		if err != nil {
			return err
		}
		if len(c.SKUs()) == 0 {
			return fault.New(fault.Invalid, "empty-cart", "There is nothing in the cart.").
				WithField("cartId", "names an empty cart")
		}
		if in.Body.Renew {
			if err := q.renew(ctx, c); err != nil {
				return err
			}
		}
		out.Body, err = q.quoteFor(c, in.Body)
		return err
	})
	return out, err
}

// renew updates a cart from the catalogue. Problems: cart-changed (409, skus) if a line is no longer sold, and
// price-changed (409, lines) if a price differs from the one last shown.
func (q Quotes) renew(ctx context.Context, c storage.Cart) error {
	offers, err := q.Offers(ctx, c.SKUs())
	if err != nil {
		return err
	}
	if skus := c.Discontinued(offers); len(skus) > 0 {
		return contract.CartChanged(skus)
	}
	changes := c.Refresh(offers)
	if err := q.Carts.Save(ctx, c); err != nil || len(changes) == 0 {
		return err
	}
	lines := make([]contract.PriceChangedLine, len(changes))
	for i, p := range changes {
		lines[i] = contract.PriceChangedLine{SKU: p.SKU, Was: p.Was, Now: p.Now}
	}
	return contract.PriceChanged(lines)
}

// quoteFor prices a cart for the address and the shipping option of an order. Without an option in the request it uses
// the cart's own or, if that is not on offer for the address, the cheapest.
func (q Quotes) quoteFor(c storage.Cart, in contract.QuoteRequest) (contract.Quote, error) {
	snapshot := c.Snapshot()
	option := in.ShippingOption
	if option == "" {
		option = snapshot.Option
	}
	p, err := q.PriceFor(snapshot, in.ShippingAddress.Country, option)
	if err != nil {
		return contract.Quote{}, err
	}
	if in.ShippingOption != "" {
		if err := pricing.CheckOption("shippingOption", in.ShippingOption, p.Options); err != nil {
			return contract.Quote{}, err
		}
	}
	quote := contract.Quote{
		CartID: c.ID, CartVersion: snapshot.Version, Lines: make([]contract.QuoteLine, len(snapshot.Lines)),
		Subtotal: p.Subtotal, Discount: p.Discount, Shipping: p.Shipping, ShippingTax: p.ShippingTax, Tax: p.Tax,
		Total: p.Total, ShippingOption: p.Option, Coupons: append([]string{}, snapshot.Coupons...),
	}
	for i, l := range snapshot.Lines {
		line := p.Lines[i]
		quote.Lines[i] = contract.QuoteLine{SKU: l.SKU, Title: l.Title, Quantity: l.Quantity, UnitPrice: l.UnitPrice,
			Taxable: l.Taxable, Shipped: l.Shipped, Discount: line.Discount, Tax: line.Tax, Total: line.Total}
	}
	return quote, nil
}
