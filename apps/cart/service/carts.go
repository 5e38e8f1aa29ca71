package service

import (
	"cmp"
	"context"
	"slices"

	"haberdash/apps/cart/internal/cart"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/telemetry"
)

const defaultCurrency = "EUR"

type createCartInput struct {
	Body *struct {
		Currency string `json:"currency,omitempty" pattern:"^[A-Z]{3}$" doc:"ISO 4217 code; EUR if left out"`
	}
}

type createReply struct {
	Location     string `header:"Location"`
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         Cart
}

// create makes a guest's cart, or gives the customer theirs.
func (s *Service) create(ctx context.Context, in *createCartInput) (*createReply, error) {
	currency := ""
	if in.Body != nil {
		currency = in.Body.Currency
	}
	reply, err := again(func() (*cartReply, error) {
		c, err := s.fresh(ctx, currency)
		if err != nil {
			return nil, err
		}
		return s.finish(ctx, c, nil, nil)
	})
	if err != nil {
		return nil, err
	}
	return &createReply{"/api/v1/carts/" + reply.Body.ID, reply.ETag, reply.CacheControl, reply.Body}, nil
}

// fresh makes a guest's cart, or reads the customer's and turns it to the currency that they ask for.
func (s *Service) fresh(ctx context.Context, asked string) (stored, error) {
	currency := cmp.Or(asked, defaultCurrency)
	caller := identity.Of(ctx)
	if !caller.Known() {
		c, err := cart.New("", currency)
		return stored{c, s.newID(), ""}, err
	}
	c, err := s.carts.own(ctx, caller.UserID, currency)
	if err != nil || asked == "" {
		return c, err
	}
	return c, c.UseCurrency(currency)
}

// mine gives the customer's cart, made on first use.
func (s *Service) mine(ctx context.Context, _ *struct{}) (*cartReply, error) {
	caller, err := identity.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	return again(func() (*cartReply, error) {
		c, err := s.carts.own(ctx, caller.UserID, defaultCurrency)
		if err != nil {
			return nil, err
		}
		return s.finish(ctx, c, nil, nil)
	})
}

// CartPath names a cart. It is exported because huma reads embedded inputs only then.
type CartPath struct {
	ID string `path:"id" maxLength:"128" doc:"The cart; a guest's id is its secret"`
}

// visible reads a cart that the caller may see. Others' carts do not exist.
func (s *Service) visible(ctx context.Context, id string) (stored, error) {
	c, err := s.carts.load(ctx, id)
	if err == nil && !c.VisibleTo(identity.Of(ctx).UserID) {
		return stored{}, fault.Missing("cart")
	}
	return c, err
}

func (s *Service) get(ctx context.Context, in *CartPath) (*cartReply, error) {
	return again(func() (*cartReply, error) {
		c, err := s.visible(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return s.finish(ctx, c, nil, nil)
	})
}

// finish takes over today's prices, applies a change if there is one, stores the cart and shows it.
// more is a SKU that the change needs to know besides those of the cart.
func (s *Service) finish(ctx context.Context, c stored, more []string, change func(map[string]cart.Offer) error) (*cartReply, error) {
	offers, err := s.offers(ctx, append(c.SKUs(), more...))
	if err != nil {
		return nil, err
	}
	var warnings []cart.Warning
	for _, p := range c.Refresh(offers) {
		warnings = append(warnings, p.Warning())
	}
	if change != nil {
		if err := change(offers); err != nil {
			return nil, err
		}
		skus := c.SKUs()
		warnings = slices.DeleteFunc(warnings, func(w cart.Warning) bool { return !slices.Contains(skus, w.SKU) })
	}
	return s.saveAndShow(ctx, c, offers, warnings)
}

// saveAndShow makes the answer first: a cart that cannot be priced is not stored.
func (s *Service) saveAndShow(ctx context.Context, c stored, offers map[string]cart.Offer, warnings []cart.Warning) (*cartReply, error) {
	reply, err := s.show(c, offers, warnings)
	if err != nil {
		return nil, err
	}
	return reply, s.carts.save(ctx, c)
}

// claim merges a guest's cart into the caller's, in three steps that can each be repeated: the guest's
// cart is marked, so that nobody changes it any more; its contents are merged, once; it is emptied.
func (s *Service) claim(ctx context.Context, in *CartPath) (*cartReply, error) {
	caller, err := identity.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	guest, err := again(func() (stored, error) { return s.mark(ctx, in.ID, caller.UserID) })
	if err != nil {
		return nil, err
	}
	reply, err := again(func() (*cartReply, error) { return s.merge(ctx, guest, caller.UserID) })
	if err != nil {
		return nil, err
	}
	guest, err = s.carts.load(ctx, in.ID)
	if err == nil && guest.ClaimedBy() == caller.UserID {
		guest.Empty()
		err = s.carts.save(ctx, guest)
	}
	if err != nil && !fault.Is(err, "not-found") {
		telemetry.Log(ctx).Warn().Err(err).Msg("a merged cart was not emptied; it expires")
	}
	return reply, nil
}

func (s *Service) mark(ctx context.Context, id, user string) (stored, error) {
	guest, err := s.carts.load(ctx, id)
	if err != nil || id == ownID(user) {
		return guest, err
	}
	if guest.ClaimedBy() == "" {
		mine, err := s.carts.own(ctx, user, guest.Snapshot().Currency)
		if err != nil {
			return guest, err
		}
		if err := mine.CanMerge(guest.Cart); err != nil {
			return guest, err
		}
	}
	if err := guest.Claim(user); err != nil {
		return guest, err
	}
	return guest, s.carts.save(ctx, guest)
}

func (s *Service) merge(ctx context.Context, guest stored, user string) (*cartReply, error) {
	mine, err := s.carts.own(ctx, user, guest.Snapshot().Currency)
	if err != nil {
		return nil, err
	}
	if guest.id == mine.id { // already the customer's own
		return s.finish(ctx, mine, nil, nil)
	}
	warnings, err := mine.Merge(digest(guest.id), guest.Cart, s.book.Compatible)
	if err != nil {
		return nil, err
	}
	offers, err := s.offers(ctx, mine.SKUs())
	if err != nil {
		return nil, err
	}
	for _, p := range mine.Refresh(offers) {
		warnings = append(warnings, p.Warning())
	}
	return s.saveAndShow(ctx, mine, offers, warnings)
}
