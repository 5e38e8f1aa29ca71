package service

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
)

// ChangePath is what every change of a cart names: the cart, and the version it was read at.
type ChangePath struct {
	CartPath
	IfMatch string `header:"If-Match" mandatory:"true" maxLength:"1024" doc:"The cart's ETag"`
}

// change applies a change to a cart that the caller may see, at the version they read.
func (s *Service) change(ctx context.Context, in ChangePath, more []string, apply func(stored, map[string]cart.Offer) error) (*cartReply, error) {
	return again(func() (*cartReply, error) {
		c, err := s.visible(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if err := ifMatch(in.IfMatch, c.Snapshot().Version); err != nil {
			return nil, err
		}
		return s.finish(ctx, c, more, func(offers map[string]cart.Offer) error { return apply(c, offers) })
	})
}

// quantity is any JSON value: the domain judges it, so that every wrong one is an invalid-quantity.
type quantity struct{ json.RawMessage }

// Schema implements huma.SchemaProvider. It names the type where huma does not look, which would refuse in other words.
func (quantity) Schema(huma.Registry) *huma.Schema {
	low, high := 0.0, float64(cart.MaxQuantity)
	return &huma.Schema{Description: "A whole number; 0 takes the article out", Minimum: &low, Maximum: &high, Examples: []any{2},
		Extensions: map[string]any{"type": huma.TypeInteger}}
}

// ItemPath is a change of one line.
type ItemPath struct {
	ChangePath
	SKU string `path:"sku" minLength:"1" maxLength:"128"`
}

type setItemInput struct {
	ItemPath
	Body struct {
		Quantity quantity `json:"quantity"`
	}
}

func (s *Service) setItem(ctx context.Context, in *setItemInput) (*cartReply, error) {
	n, err := cart.ParseQuantity(string(in.Body.Quantity.RawMessage))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return s.removeItem(ctx, &in.ItemPath)
	}
	return s.change(ctx, in.ChangePath, []string{in.SKU}, func(c stored, offers map[string]cart.Offer) error {
		offer, ok := offers[in.SKU]
		if !ok {
			return fault.New(fault.NotFound, "unknown-sku", "There is no such article on sale.").WithField("path.sku", "is not on sale")
		}
		return c.SetQuantity(offer, n)
	})
}

func (s *Service) removeItem(ctx context.Context, in *ItemPath) (*cartReply, error) {
	return s.change(ctx, in.ChangePath, nil, func(c stored, _ map[string]cart.Offer) error {
		c.Remove(in.SKU)
		return nil
	})
}

type addCouponInput struct {
	ChangePath
	Body struct {
		Code string `json:"code" maxLength:"64" doc:"In upper or lower case"`
	}
}

func (s *Service) addCoupon(ctx context.Context, in *addCouponInput) (*cartReply, error) {
	return s.change(ctx, in.ChangePath, nil, func(c stored, offers map[string]cart.Offer) error {
		q, err := s.price(c.Snapshot())
		if err != nil {
			return err
		}
		code, err := s.book.Admit(in.Body.Code, c.Snapshot().Coupons, q.Subtotal)
		if err != nil {
			return err
		}
		return c.AddCoupon(code)
	})
}

type removeCouponInput struct {
	ChangePath
	Code string `path:"code" minLength:"1" maxLength:"64"`
}

func (s *Service) removeCoupon(ctx context.Context, in *removeCouponInput) (*cartReply, error) {
	return s.change(ctx, in.ChangePath, nil, func(c stored, _ map[string]cart.Offer) error {
		c.RemoveCoupon(strings.ToUpper(in.Code))
		return nil
	})
}

type setShippingInput struct {
	ChangePath
	Body struct {
		Address contract.Address `json:"address"`
		Option  string           `json:"option,omitempty" maxLength:"64" doc:"Id of a shipping option; the cheapest if left out"`
	}
}

func (s *Service) setShipping(ctx context.Context, in *setShippingInput) (*cartReply, error) {
	a := in.Body.Address
	if !pricing.IsCountry(a.Country) {
		return nil, unknownCountry("body.address.country")
	}
	return s.change(ctx, in.ChangePath, nil, func(c stored, offers map[string]cart.Offer) error {
		if in.Body.Option != "" {
			q, err := s.priceAt(c.Snapshot(), a.Country, in.Body.Option)
			if err != nil {
				return err
			}
			if !pricing.Offered(q.Options, in.Body.Option) {
				return unknownOption("body.option")
			}
		}
		c.ShipTo(cart.Address(a), in.Body.Option)
		return nil
	})
}

func unknownCountry(field string) error {
	return fault.BadField(field, "is not the ISO 3166-1 alpha-2 code of a country")
}

func unknownOption(field string) error {
	return fault.New(fault.Invalid, "invalid-shipping-option", "This way of shipping is not on offer for the cart and its address.").
		WithField(field, "is not the id of an option on offer")
}

// ShippingOption is a way to ship the cart; its price is net.
type ShippingOption struct {
	ID       string      `json:"id"`
	Name     string      `json:"name"`
	Price    money.Money `json:"price"`
	Estimate string      `json:"estimate" doc:"How long it takes, for people"`
}

type shippingOptionsInput struct {
	CartPath
	httpx.Page
	Country string `query:"country" pattern:"^([A-Z]{2})?$" doc:"ISO 3166-1 alpha-2; the cart's address if left out"`
}

type shippingOptionsReply struct{ Body httpx.List[ShippingOption] }

// shippingOptions lists what is on offer for the cart as it stands; nothing while it is empty or has
// neither an address nor a country in the query.
func (s *Service) shippingOptions(ctx context.Context, in *shippingOptionsInput) (*shippingOptionsReply, error) {
	if in.Country != "" && !pricing.IsCountry(in.Country) {
		return nil, unknownCountry("query.country")
	}
	from := 0
	if err := in.Position(&from); err != nil {
		return nil, err
	}
	c, err := s.visible(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	offers, err := s.offers(ctx, c.SKUs())
	if err != nil {
		return nil, err
	}
	c.Refresh(offers) // what shipping costs depends on what the goods cost now; the buyer is not shown that here
	if in.Country == "" && c.Snapshot().Address != nil {
		in.Country = c.Snapshot().Address.Country
	}
	q, err := s.priceAt(c.Snapshot(), in.Country, "")
	if err != nil {
		return nil, err
	}
	return &shippingOptionsReply{page(q.Options, from, in.Limit)}, nil
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
