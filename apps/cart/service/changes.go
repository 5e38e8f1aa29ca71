package service

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// ChangePath names a cart that is to be changed, and the version that the client has read.
type ChangePath struct {
	CartPath
	IfMatch string `header:"If-Match" mandatory:"true" maxLength:"1024" doc:"The ETag of the cart"`
}

// change applies a change to a cart that the caller may see, if its version is the one that the client has read. skus
// are those whose offers the change needs, beside those of the cart.
func (s *Service) change(
	ctx context.Context, in ChangePath, skus []string, apply func(c storage.Cart, offers map[string]cart.Offer) error,
) (*cartOutput, error) {
	var out *cartOutput
	err := sidecar.RetryConflicts(func() error {
		c, err := s.loadVisible(ctx, in.ID)
		if err != nil {
			return err
		}
		if err := checkIfMatch(in.IfMatch, c.Snapshot().Version); err != nil {
			return err
		}
		out, err = s.changeAndSave(ctx, c, skus, func(offers map[string]cart.Offer) error { return apply(c, offers) })
		return err
	})
	return out, err
}

// quantity is any JSON value, which cart.ParseQuantity checks: so every wrong value is an invalid-quantity.
type quantity struct{ json.RawMessage }

// Schema implements huma.SchemaProvider. The type is an extension, which huma does not check: otherwise it would refuse
// other types with a problem of its own.
func (quantity) Schema(huma.Registry) *huma.Schema {
	low, high := 0.0, float64(cart.MaxQuantity)
	return &huma.Schema{Description: "A whole number; 0 takes the article out", Minimum: &low, Maximum: &high,
		Examples: []any{2}, Extensions: map[string]any{"type": huma.TypeInteger}}
}

// ItemPath names a line of a cart that is to be changed.
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

func (s *Service) setItem(ctx context.Context, in *setItemInput) (*cartOutput, error) {
	n, err := cart.ParseQuantity(string(in.Body.Quantity.RawMessage))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return s.removeItem(ctx, &in.ItemPath)
	}
	return s.change(ctx, in.ChangePath, []string{in.SKU}, func(c storage.Cart, offers map[string]cart.Offer) error {
		offer, ok := offers[in.SKU]
		if !ok {
			return fault.New(fault.NotFound, "unknown-sku", "There is no such article on sale.").
				WithField("path.sku", "is not on sale")
		}
		return fault.Relocate(c.SetQuantity(offer, n), "sku", "path.sku")
	})
}

func (s *Service) removeItem(ctx context.Context, in *ItemPath) (*cartOutput, error) {
	return s.change(ctx, in.ChangePath, nil, func(c storage.Cart, _ map[string]cart.Offer) error {
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

func (s *Service) addCoupon(ctx context.Context, in *addCouponInput) (*cartOutput, error) {
	return s.change(ctx, in.ChangePath, nil, func(c storage.Cart, _ map[string]cart.Offer) error {
		q, err := s.quotes.Price(c.Snapshot())
		if err != nil {
			return err
		}
		code, err := s.quotes.Rules.CheckCoupon(in.Body.Code, c.Snapshot().Coupons, q.Subtotal)
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

func (s *Service) removeCoupon(ctx context.Context, in *removeCouponInput) (*cartOutput, error) {
	return s.change(ctx, in.ChangePath, nil, func(c storage.Cart, _ map[string]cart.Offer) error {
		c.RemoveCoupon(strings.ToUpper(in.Code))
		return nil
	})
}
