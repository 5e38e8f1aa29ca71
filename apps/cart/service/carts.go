package service

import (
	"cmp"
	"context"
	"slices"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
)

type createCartInput struct {
	Body *struct {
		Currency string `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"ISO 4217 code; EUR if missing"`
	}
}

type createOutput struct {
	Location     string `header:"Location"`
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         Cart
}

// create makes a guest's cart, or returns the customer's cart.
func (s *Service) create(ctx context.Context, in *createCartInput) (*createOutput, error) {
	currency := ""
	if in.Body != nil {
		currency = in.Body.Currency
	}
	var out *cartOutput
	err := sidecar.RetryConflicts(func() error {
		c, err := s.newOrOwnCart(ctx, currency)
		if err == nil {
			out, err = s.refreshAndSave(ctx, c)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &createOutput{"/api/v1/carts/" + out.Body.ID, out.ETag, out.CacheControl, out.Body}, nil
}

// newOrOwnCart makes a guest's cart, or loads the customer's. An empty currency is the default one for a new cart, and
// leaves the customer's as it is.
func (s *Service) newOrOwnCart(ctx context.Context, currency string) (storage.Cart, error) {
	orDefault := cmp.Or(currency, storage.DefaultCurrency)
	caller := identity.Of(ctx)
	if !caller.Known() {
		return storage.NewGuestCart(s.newID(), orDefault)
	}
	c, err := s.carts.LoadCustomerCart(ctx, caller.UserID, orDefault)
	if err != nil || currency == "" {
		return c, err
	}
	return c, c.UseCurrency(currency)
}

// getMine returns the customer's cart, and makes it at the first use.
func (s *Service) getMine(ctx context.Context, _ *struct{}) (*cartOutput, error) {
	caller, err := identity.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	var out *cartOutput
	err = sidecar.RetryConflicts(func() error {
		c, err := s.carts.LoadCustomerCart(ctx, caller.UserID, storage.DefaultCurrency)
		if err == nil {
			out, err = s.refreshAndSave(ctx, c)
		}
		return err
	})
	return out, err
}

// CartPath names a cart. It is exported because huma ignores unexported embedded structs.
type CartPath struct {
	ID string `path:"id" maxLength:"128" doc:"The cart; a guest's id is its secret"`
}

func (s *Service) get(ctx context.Context, in *CartPath) (*cartOutput, error) {
	var out *cartOutput
	err := sidecar.RetryConflicts(func() error {
		c, err := s.loadVisible(ctx, in.ID)
		if err == nil {
			out, err = s.refreshAndSave(ctx, c)
		}
		return err
	})
	return out, err
}

// loadVisible loads a cart that the caller may see.
func (s *Service) loadVisible(ctx context.Context, id string) (storage.Cart, error) {
	return s.carts.LoadVisible(ctx, id, identity.Of(ctx).UserID)
}

// refreshAndSave updates a cart from the catalogue, stores it if that changed it, and returns it as clients see it.
func (s *Service) refreshAndSave(ctx context.Context, c storage.Cart) (*cartOutput, error) {
	return s.changeAndSave(ctx, c, nil, nil)
}

// changeAndSave is refreshAndSave with a change, unless that is nil, between the update and the write. skus are those
// whose offers the change needs, beside those of the cart.
func (s *Service) changeAndSave(
	ctx context.Context, c storage.Cart, skus []string, change func(offers map[string]cart.Offer) error,
) (*cartOutput, error) {
	offers, err := s.quotes.Offers(ctx, append(c.SKUs(), skus...))
	if err != nil {
		return nil, err
	}
	warnings := priceWarnings(c.Refresh(offers))
	if change != nil {
		if err := change(offers); err != nil {
			return nil, err
		}
		left := c.SKUs()
		warnings = slices.DeleteFunc(warnings, func(w cart.Warning) bool { return !slices.Contains(left, w.SKU) })
	}
	return s.save(ctx, c, offers, warnings)
}

// save stores a cart and returns it as clients see it. It makes that view first, so that a cart that cannot be priced
// is not stored.
func (s *Service) save(
	ctx context.Context, c storage.Cart, offers map[string]cart.Offer, warnings []cart.Warning,
) (*cartOutput, error) {
	out, err := s.view(c, offers, warnings)
	if err != nil {
		return nil, err
	}
	return out, s.carts.Save(ctx, c)
}

func priceWarnings(changes []cart.PriceChange) (warnings []cart.Warning) {
	for _, p := range changes {
		warnings = append(warnings, p.Warning())
	}
	return warnings
}
