// Package cart is the buyer's cart: what is in it, at the prices last shown, and whose it is.
//
// The rules:
//
//  1. A cart has one currency from its creation; a variant sold in another is refused. Only an empty
//     cart may change it.
//  2. A line holds 1 to 999 of a SKU; 0 removes it. A cart has at most 100 lines.
//  3. A cart without an owner is anybody's who knows its id; one with an owner is the owner's alone.
//  4. A guest's cart is claimed once: from then on nobody reads or changes it, and its contents belong
//     to the cart of the customer who claimed it. Merging it twice adds nothing.
//  5. The unit prices kept are those last shown to the buyer; Refresh takes over the catalogue's and says
//     what changed.
//  6. A confirmed order takes its lines out once, however often it is told.
//  7. The cart of a customer whose account was deleted is closed: nothing is in it, and it is nobody's.
package cart

import (
	"slices"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Limits of a cart.
const (
	MaxQuantity = 999
	MaxLines    = 100
	maxCoupons  = 10
	remembered  = 20 // orders and merged carts that a cart remembers
)

// Line is a quantity of one SKU, with what the buyer was last shown of it: title and net unit price, and what tax
// and shipping were worked out by.
type Line struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice"`
	Taxable   bool        `json:"taxable,omitempty"`
	Shipped   bool        `json:"shipped,omitempty"` // needs shipping
}

// Address is where the cart goes. Country is ISO 3166-1 alpha-2.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

// Snapshot is a cart at rest. Orders and Merged are the last ones that the cart took part in.
type Snapshot struct {
	Owner     string   `json:"owner,omitempty"`     // user id, empty for a guest
	ClaimedBy string   `json:"claimedBy,omitempty"` // user id, of a guest's cart that was claimed
	Version   int64    `json:"version"`             // from 1, one more with each change
	Currency  string   `json:"currency"`
	Lines     []Line   `json:"lines,omitempty"`
	Coupons   []string `json:"coupons,omitempty"`
	Address   *Address `json:"address,omitempty"`
	Option    string   `json:"option,omitempty"`
	Orders    []string `json:"orders,omitempty"`
	Merged    []string `json:"merged,omitempty"`
	Closed    bool     `json:"closed,omitempty"`
}

// Cart is a cart in use. Make it with New, or Restore a stored one.
type Cart struct {
	s       Snapshot
	changed bool
}

// New makes an empty cart; owner is empty for a guest's. It fails with invalid-request (422) when the
// currency is not supported.
func New(owner, currency string) (*Cart, error) {
	if !money.Known(currency) {
		return nil, fault.BadField("body.currency", "is not a currency of this shop")
	}
	return &Cart{Snapshot{Owner: owner, Currency: currency, Version: 1}, true}, nil
}

// Restore makes a cart of what was stored, without judging it.
func Restore(s Snapshot) *Cart { return &Cart{s: s} }

// Snapshot is the cart as it is now. The caller must not change it.
func (c *Cart) Snapshot() Snapshot { return c.s }

// Changed reports whether there is something to store since New or Restore.
func (c *Cart) Changed() bool { return c.changed }

// LastOrder is the order that took its lines out last (rule 6); empty if none has.
func (c *Cart) LastOrder() string {
	if len(c.s.Orders) == 0 {
		return ""
	}
	return c.s.Orders[len(c.s.Orders)-1]
}

// touch counts all changes between two stored states as one version.
func (c *Cart) touch() {
	if !c.changed {
		c.changed = true
		c.s.Version++
	}
}

// VisibleTo reports whether the user, empty for a guest, may see and change the cart (rules 3, 4 and 7).
func (c *Cart) VisibleTo(user string) bool {
	return !c.s.Closed && c.s.ClaimedBy == "" && (c.s.Owner == "" || c.s.Owner == user)
}

// Guest reports whether the cart has no owner.
func (c *Cart) Guest() bool { return c.s.Owner == "" }

// Close leaves nothing of a customer's cart but that it is closed (rule 7).
func (c *Cart) Close() {
	if !c.s.Closed {
		c.touch()
		c.s = Snapshot{Owner: c.s.Owner, Currency: c.s.Currency, Version: c.s.Version, Closed: true}
	}
}

// Closed reports whether the customer is no more.
func (c *Cart) Closed() bool { return c.s.Closed }

// SKUs lists what is in the cart, in the order it was put there.
func (c *Cart) SKUs() []string {
	skus := make([]string, len(c.s.Lines))
	for i, l := range c.s.Lines {
		skus[i] = l.SKU
	}
	return skus
}

// UseCurrency changes the currency of an empty cart. It fails with invalid-request (422) when the
// currency is not supported and currency-mismatch (409) when the cart has lines in another.
func (c *Cart) UseCurrency(currency string) error {
	if currency == c.s.Currency {
		return nil
	}
	if !money.Known(currency) {
		return fault.BadField("body.currency", "is not a currency of this shop")
	}
	if len(c.s.Lines) > 0 {
		return fault.New(fault.Conflict, "currency-mismatch", "The cart holds goods in %s. Empty it first.", c.s.Currency).
			With("currency", c.s.Currency)
	}
	c.touch()
	c.s.Currency = currency
	return nil
}

// AddCoupon takes a coupon's canonical code; one that is there already changes nothing. Whether the shop
// grants it is the caller's to know. It fails with invalid-coupon (422) beyond ten coupons.
func (c *Cart) AddCoupon(code string) error {
	if slices.Contains(c.s.Coupons, code) {
		return nil
	}
	if len(c.s.Coupons) >= maxCoupons {
		return fault.New(fault.Invalid, "invalid-coupon", "A cart takes at most %d coupons.", maxCoupons).
			WithField("body.code", "is one coupon too many")
	}
	c.touch()
	c.s.Coupons = append(slices.Clip(c.s.Coupons), code)
	return nil
}

// RemoveCoupon drops a coupon; one that is not there changes nothing.
func (c *Cart) RemoveCoupon(code string) {
	if i := slices.Index(c.s.Coupons, code); i >= 0 {
		c.touch()
		c.s.Coupons = slices.Delete(slices.Clone(c.s.Coupons), i, i+1)
	}
}

// ShipTo sets where the cart goes and how; an empty option leaves the choice to the shop. Both are
// checked by the caller, who knows what is on offer.
func (c *Cart) ShipTo(a Address, option string) {
	if c.s.Address != nil && *c.s.Address == a && c.s.Option == option {
		return
	}
	c.touch()
	c.s.Address, c.s.Option = &a, option
}

// remember adds an id to a bounded list, the oldest first to go.
func remember(ids []string, id string) []string {
	ids = append(slices.Clone(ids), id)
	return ids[max(0, len(ids)-remembered):]
}
