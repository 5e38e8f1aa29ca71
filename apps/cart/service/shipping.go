package service

import (
	"context"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/internal/pricing"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
)

type setShippingInput struct {
	ChangePath
	Body struct {
		Address contract.Address `json:"address"`

		Option string `json:"option,omitempty" maxLength:"64" doc:"Id of a shipping option; the cheapest if missing"`
	}
}

func (s *Service) setShipping(ctx context.Context, in *setShippingInput) (*cartOutput, error) {
	a, option := in.Body.Address, in.Body.Option
	if err := pricing.CheckCountry("address.country", a.Country); err != nil {
		return nil, err
	}
	return s.change(ctx, in.ChangePath, nil, func(c storage.Cart, _ map[string]cart.Offer) error {
		if option != "" {
			q, err := s.quotes.PriceFor(c.Snapshot(), a.Country, option)
			if err != nil {
				return err
			}
			if err := pricing.CheckOption("option", option, q.Options); err != nil {
				return err
			}
		}
		c.ShipTo(cart.Address(a), option)
		return nil
	})
}

// ShippingOption is a shipping option of a cart. Its price is net.
type ShippingOption struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Price    money.Money `json:"price"`
	Estimate string      `json:"estimate" doc:"How long it takes, for people"`
}

type shippingOptionsInput struct {
	CartPath
	httpx.Page
	Country string `query:"country" pattern:"^([A-Z]{2})?$" doc:"ISO 3166-1 alpha-2; the country of the cart's address if missing"`
}

type shippingOptionsOutput struct{ Body httpx.List[ShippingOption] }

// listShippingOptions lists the shipping options of a cart. There are none while the cart is empty, or has neither an
// address nor a country in the query. Options depend on current prices, so the cart is updated from the catalogue; it
// is not stored, because the buyer does not see the new prices here.
func (s *Service) listShippingOptions(ctx context.Context, in *shippingOptionsInput) (*shippingOptionsOutput, error) {
	if in.Country != "" {
		if err := pricing.CheckCountry("query.country", in.Country); err != nil {
			return nil, err
		}
	}
	from := 0
	if err := in.Position(&from); err != nil {
		return nil, err
	}
	c, err := s.loadVisible(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	offers, err := s.quotes.Offers(ctx, c.SKUs())
	if err != nil {
		return nil, err
	}
	c.Refresh(offers)
	if in.Country == "" && c.Snapshot().Address != nil {
		in.Country = c.Snapshot().Address.Country
	}
	q, err := s.quotes.PriceFor(c.Snapshot(), in.Country, "")
	if err != nil {
		return nil, err
	}
	return &shippingOptionsOutput{page(q.Options, from, in.Limit)}, nil
}

func page(options []pricing.Option, from, limit int) httpx.List[ShippingOption] {
	list := httpx.List[ShippingOption]{Items: []ShippingOption{}}
	from = min(max(from, 0), len(options))
	for _, o := range options[from:min(from+limit, len(options))] {
		list.Items = append(list.Items, ShippingOption(o))
	}
	if from+limit < len(options) {
		list.NextCursor = httpx.Cursor(from + limit)
	}
	return list
}
