package service

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/internal/pricing"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
)

// CartItem is a line of a cart at the catalogue's price. Available is how many could be had just now.
type CartItem struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice" doc:"Net"`
	Total     money.Money `json:"total" doc:"quantity × unitPrice"`
	Available int64       `json:"available"`
}

// Warning is something that the buyer should look at.
type Warning struct {
	Code    string `json:"code" enum:"price-changed,not-enough-stock,not-sold,quantity-reduced,line-dropped,coupon-not-applicable,address-missing,shipping-option-changed"`
	SKU     string `json:"sku,omitempty" doc:"The article, where it concerns one"`
	Message string `json:"message"`
}

// Cart as clients see it: total = subtotal − discount + shipping + tax, prices net.
type Cart struct {
	ID              string            `json:"id"`
	Version         int64             `json:"version"`
	Currency        string            `json:"currency"`
	Items           []CartItem        `json:"items" nullable:"false"`
	Coupons         []string          `json:"coupons" nullable:"false"`
	Subtotal        money.Money       `json:"subtotal"`
	Discount        money.Money       `json:"discount"`
	Shipping        money.Money       `json:"shipping"`
	Tax             money.Money       `json:"tax"`
	Total           money.Money       `json:"total"`
	ShippingAddress *contract.Address `json:"shippingAddress,omitempty"`
	ShippingOption  string            `json:"shippingOption,omitempty" doc:"The one that shipping is the price of"`
	Warnings        []Warning         `json:"warnings" nullable:"false"`
}

type cartReply struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         Cart
}

// priceAt prices a cart, as it was last shown, for a country and an option of shipping.
func (s *Service) priceAt(c cart.Snapshot, country, option string) (pricing.Quote, error) {
	o := pricing.Order{Currency: c.Currency, Coupons: c.Coupons, Country: country, Option: option, Lines: make([]pricing.Line, len(c.Lines))}
	for i, l := range c.Lines {
		o.Lines[i] = pricing.Line{Quantity: l.Quantity, UnitPrice: l.UnitPrice, Taxable: l.Taxable, Shipped: l.Shipped}
	}
	return s.book.Price(o)
}

// price prices a cart as it stands.
func (s *Service) price(c cart.Snapshot) (pricing.Quote, error) {
	country := ""
	if c.Address != nil {
		country = c.Address.Country
	}
	return s.priceAt(c, country, c.Option)
}

// show makes the answer for a cart that has been refreshed with the offers.
func (s *Service) show(c stored, offers map[string]cart.Offer, warnings []cart.Warning) (*cartReply, error) {
	snapshot := c.Snapshot()
	q, err := s.price(snapshot)
	if err != nil {
		return nil, err
	}
	body := Cart{
		ID: c.id, Version: snapshot.Version, Currency: snapshot.Currency,
		Items: make([]CartItem, len(snapshot.Lines)), Coupons: append([]string{}, snapshot.Coupons...), Warnings: []Warning{},
		Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total,
		ShippingAddress: (*contract.Address)(snapshot.Address), ShippingOption: q.Option,
	}
	if body.ShippingOption == "" {
		body.ShippingOption = snapshot.Option
	}
	for i, l := range snapshot.Lines {
		body.Items[i] = CartItem{l.SKU, l.Title, l.Quantity, l.UnitPrice, q.Lines[i].Total, max(0, offers[l.SKU].Available)}
	}
	for _, w := range append(append(warnings, c.Shortages(offers)...), remarks(snapshot, q)...) {
		body.Warnings = append(body.Warnings, Warning(w))
	}
	return &cartReply{ETag: etag(body), CacheControl: "private, no-cache", Body: body}, nil
}

// remarks are the warnings that come of pricing.
func remarks(c cart.Snapshot, q pricing.Quote) (warnings []cart.Warning) {
	if len(c.Lines) == 0 {
		return nil
	}
	for _, code := range q.Unused {
		warnings = append(warnings, cart.Warning{Code: "coupon-not-applicable", Message: "The coupon " + code + " gives nothing on this cart as it is."})
	}
	if c.Address == nil {
		warnings = append(warnings, cart.Warning{Code: "address-missing", Message: "Shipping and tax are not included yet: say where the cart goes."})
	} else if c.Option != "" && c.Option != q.Option {
		warnings = append(warnings, cart.Warning{Code: "shipping-option-changed", Message: "The way of shipping you chose is not on offer for this cart any more."})
	}
	return warnings
}

// etag is strong: the version, and a digest since stock and warnings change without it.
func etag(body Cart) string {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf(`"%d-%x"`, body.Version, sum[:6])
}

// digestPart of an ETag. A change depends on the version alone: stock that moved meanwhile, or a
// warning that was read, refuses nobody's change.
var digestPart = regexp.MustCompile(`"(\d+)-[0-9a-f]{12}"`)

// ifMatch holds a change to the version that the client read. `"<version>"` alone will do too.
func ifMatch(header string, version int64) error {
	return httpx.IfMatch(digestPart.ReplaceAllString(header, `"$1"`), fmt.Sprintf(`"%d"`, version))
}
