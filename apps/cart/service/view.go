package service

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"haberdash/apps/cart/internal/cart"
	"haberdash/apps/cart/internal/pricing"
	"haberdash/apps/cart/service/storage"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
)

// CartItem is a line of a cart at the catalogue's price. Available is the quantity in stock.
type CartItem struct {
	SKU       string      `json:"sku"`
	Title     string      `json:"title"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice" doc:"Net"`
	Total     money.Money `json:"total" doc:"quantity × unitPrice"`
	Available int64       `json:"available"`
}

// Warning is a message to the buyer.
type Warning struct {
	Code    string `json:"code" enum:"price-changed,not-enough-stock,not-sold,quantity-reduced,line-dropped,coupon-not-applicable,address-missing,shipping-option-changed"`
	SKU     string `json:"sku,omitempty" doc:"The article, if the warning concerns one"`
	Message string `json:"message"`
}

// Cart is a cart as clients see it: total = subtotal − discount + shipping + tax, prices net.
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
	ShippingOption  string            `json:"shippingOption,omitempty" doc:"The option that the price in shipping is for"`
	Warnings        []Warning         `json:"warnings" nullable:"false"`
}

type cartOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         Cart
}

// view makes the answer for a cart that was updated from the offers. It adds warnings of stock and pricing.
func (s *Service) view(c storage.Cart, offers map[string]cart.Offer, warnings []cart.Warning) (*cartOutput, error) {
	snapshot := c.Snapshot()
	q, err := s.quotes.Price(snapshot)
	if err != nil {
		return nil, err
	}
	body := Cart{
		ID: c.ID, Version: snapshot.Version, Currency: snapshot.Currency, Items: make([]CartItem, len(snapshot.Lines)),
		Coupons: append([]string{}, snapshot.Coupons...), Warnings: []Warning{},
		Subtotal: q.Subtotal, Discount: q.Discount, Shipping: q.Shipping, Tax: q.Tax, Total: q.Total,
		ShippingAddress: (*contract.Address)(snapshot.Address), ShippingOption: q.Option,
	}
	if body.ShippingOption == "" {
		body.ShippingOption = snapshot.Option
	}
	for i, l := range snapshot.Lines {
		body.Items[i] = CartItem{l.SKU, l.Title, l.Quantity, l.UnitPrice, q.Lines[i].Total, max(0, offers[l.SKU].Available)}
	}
	for _, w := range slices.Concat(warnings, c.StockWarnings(offers), pricingWarnings(snapshot, q)) {
		body.Warnings = append(body.Warnings, Warning(w))
	}
	return &cartOutput{ETag: etag(body), CacheControl: "private, no-cache", Body: body}, nil
}

func pricingWarnings(c cart.Snapshot, q pricing.Quote) (warnings []cart.Warning) {
	if len(c.Lines) == 0 {
		return nil
	}
	for _, code := range q.Unused {
		warnings = append(warnings, cart.Warning{Code: "coupon-not-applicable",
			Message: "The coupon " + code + " has no effect on this cart."})
	}
	if c.Address == nil {
		warnings = append(warnings, cart.Warning{Code: "address-missing",
			Message: "Shipping and tax are not included yet: enter a shipping address."})
	} else if c.Option != "" && c.Option != q.Option {
		warnings = append(warnings, cart.Warning{Code: "shipping-option-changed",
			Message: "The shipping option that you chose is no longer offered for this cart."})
	}
	return warnings
}

// etag is a strong ETag: the version, and a digest of the body because stock and warnings change without a new version.
func etag(body Cart) string {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // the type has nothing that JSON cannot encode
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf(`"%d-%x"`, body.Version, sum[:6])
}

var etagWithDigest = regexp.MustCompile(`"(\d+)-[0-9a-f]{12}"`)

// checkIfMatch refuses a change of a cart whose version is not the one in the If-Match header. It ignores the digest of
// an ETag: a change of stock in between must not refuse the client's change. An ETag of the version alone is accepted.
func checkIfMatch(header string, version int64) error {
	return httpx.IfMatch(etagWithDigest.ReplaceAllString(header, `"$1"`), fmt.Sprintf(`"%d"`, version))
}
