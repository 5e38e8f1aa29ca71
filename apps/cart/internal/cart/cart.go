// Package cart is the buyer's cart: its lines at the prices that were last shown, its coupons, its address and its
// owner.
//
// The rules:
//
//  1. A cart has one currency from its creation; a variant sold in another is refused. Only an empty cart may change
//     it.
//  2. A line has 1 to 999 of a SKU; 0 removes it. A cart has at most 100 lines.
//  3. Anybody who knows the id of a cart without an owner may use it. A cart with an owner is for its owner only.
//  4. A guest's cart is claimed once. From then on nobody reads or changes it, and its contents belong to the cart of
//     the customer who claimed it. Merging it twice adds nothing.
//  5. The stored unit prices are those that the buyer was last shown. Refresh replaces them with the catalogue's and
//     returns the differences.
//  6. A confirmed order removes its lines once, however often its event is delivered.
//  7. The cart of a customer whose account was deleted is closed: it is empty, and nobody may use it.
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
	maxRecent   = 20 // orders, and merged carts, that a cart remembers
)

// Line is a quantity of one SKU as the buyer was last shown it. Tax and shipping were computed from Taxable and
// Shipped.
type Line struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice"` // net
	Taxable   bool        `json:"taxable,omitempty"`
	Shipped   bool        `json:"shipped,omitempty"` // needs shipping
}

// Address is the address that the cart is shipped to. Country is ISO 3166-1 alpha-2.
type Address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	Region     string `json:"region,omitempty"`
	PostalCode string `json:"postalCode"`
	Country    string `json:"country"`
}

// Snapshot is a cart as it is stored.
type Snapshot struct {
	Owner     string   `json:"owner,omitempty"`     // user id, empty for a guest
	ClaimedBy string   `json:"claimedBy,omitempty"` // user id, of a guest's cart that was claimed
	Version   int64    `json:"version"`             // from 1, one more with each change
	Currency  string   `json:"currency"`
	Lines     []Line   `json:"lines,omitempty"`
	Coupons   []string `json:"coupons,omitempty"`
	Address   *Address `json:"address,omitempty"`
	Option    string   `json:"option,omitempty"` // of shipping
	Orders    []string `json:"orders,omitempty"` // ids of the latest confirmed orders, oldest first
	Merged    []string `json:"merged,omitempty"` // ids of the latest merged carts, oldest first
	Closed    bool     `json:"closed,omitempty"`
}

// Cart is a cart that is read or changed. Make it with New, or Restore a stored one. It is not safe for concurrent
// use.
type Cart struct {
	s       Snapshot
	changed bool
}

// New makes an empty cart. owner is a user id, empty for a guest. Error: invalid-request (422) if the currency is not
// supported.
func New(owner, currency string) (*Cart, error) {
	if !money.Known(currency) {
		return nil, fault.BadField("currency", "is not a currency of this shop")
	}
	return &Cart{Snapshot{Owner: owner, Currency: currency, Version: 1}, true}, nil
}

// Restore makes a cart from its snapshot without checking it.
func Restore(s Snapshot) *Cart { return &Cart{s: s} }

// Snapshot returns the cart as it is now. The caller must not change it.
func (c *Cart) Snapshot() Snapshot { return c.s }

// Changed reports whether the cart differs from what is stored.
func (c *Cart) Changed() bool { return c.changed }

// LastOrder returns the id of the latest confirmed order of the cart (rule 6), empty if there is none.
func (c *Cart) LastOrder() string {
	if len(c.s.Orders) == 0 {
		return ""
	}
	return c.s.Orders[len(c.s.Orders)-1]
}

// markChanged raises the version. All changes between two writes are one version.
func (c *Cart) markChanged() {
	if !c.changed {
		c.changed = true
		c.s.Version++
	}
}

// VisibleTo reports whether the user, empty for a guest, may read and change the cart (rules 3, 4 and 7).
func (c *Cart) VisibleTo(user string) bool {
	return !c.s.Closed && c.s.ClaimedBy == "" && (c.s.Owner == "" || c.s.Owner == user)
}

// Guest reports whether the cart has no owner.
func (c *Cart) Guest() bool { return c.s.Owner == "" }

// Close removes everything from a customer's cart, and marks it as closed (rule 7).
func (c *Cart) Close() {
	if !c.s.Closed {
		c.markChanged()
		c.s = Snapshot{Owner: c.s.Owner, Currency: c.s.Currency, Version: c.s.Version, Closed: true}
	}
}

// Closed reports whether the customer's account was deleted.
func (c *Cart) Closed() bool { return c.s.Closed }

// SKUs lists the SKUs of the lines, in the order in which they were added.
func (c *Cart) SKUs() []string {
	skus := make([]string, len(c.s.Lines))
	for i, l := range c.s.Lines {
		skus[i] = l.SKU
	}
	return skus
}

// UseCurrency changes the currency of an empty cart. Errors: invalid-request (422) if the currency is not supported,
// currency-mismatch (409) if the cart has lines in another one.
func (c *Cart) UseCurrency(currency string) error {
	if currency == c.s.Currency {
		return nil
	}
	if !money.Known(currency) {
		return fault.BadField("currency", "is not a currency of this shop")
	}
	if len(c.s.Lines) > 0 {
		return fault.New(fault.Conflict, "currency-mismatch", "The cart holds goods in %s. Empty it first.", c.s.Currency).
			With("currency", c.s.Currency)
	}
	c.markChanged()
	c.s.Currency = currency
	return nil
}

// AddCoupon adds the canonical code of a coupon that the caller has checked. A code that the cart has already changes
// nothing. Error: invalid-coupon (422) for an eleventh coupon.
func (c *Cart) AddCoupon(code string) error {
	if slices.Contains(c.s.Coupons, code) {
		return nil
	}
	if len(c.s.Coupons) >= maxCoupons {
		return fault.New(fault.Invalid, "invalid-coupon", "A cart takes at most %d coupons.", maxCoupons).
			WithField("code", "is one coupon too many")
	}
	c.markChanged()
	c.s.Coupons = append(slices.Clip(c.s.Coupons), code)
	return nil
}

// RemoveCoupon removes a coupon. A code that the cart does not have changes nothing.
func (c *Cart) RemoveCoupon(code string) {
	if i := slices.Index(c.s.Coupons, code); i >= 0 {
		c.markChanged()
		c.s.Coupons = slices.Delete(slices.Clone(c.s.Coupons), i, i+1)
	}
}

// ShipTo sets the address and the shipping option; an empty option means the cheapest. The caller checks both.
func (c *Cart) ShipTo(a Address, option string) {
	if c.s.Address != nil && *c.s.Address == a && c.s.Option == option {
		return
	}
	c.markChanged()
	c.s.Address, c.s.Option = &a, option
}

// appendRecent adds an id to a list that keeps the latest maxRecent ids.
func appendRecent(ids []string, id string) []string {
	ids = append(slices.Clone(ids), id)
	return ids[max(0, len(ids)-maxRecent):]
}
