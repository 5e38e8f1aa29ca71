// Package product defines the values that the catalogue's log stores, products with their variants and categories, and
// the events that change them. It checks values and folds events; package catalog has the commands.
//
// Rules of the catalogue (each has a test of its number, here, in package catalog or in package imports):
//
//  1. A handle names one product, and a SKU one variant of one product. Both are free again when the product is
//     deleted.
//  2. A product has 1 to 100 variants, priced in one currency, no two with the same options. Every variant has a value
//     for every option; a product without options has one variant.
//  3. A variant without a SKU gets one that is derived from handle and options, and keeps it.
//  4. An import merges: it adds and changes variants and images, and never removes any. The same import again changes
//     nothing.
//  5. A wrong row of an import is reported and left out; the other rows of its product are imported.
//  6. The stock that imports have received for a SKU sums to the last quantity imported.
//  7. Categories form a tree of at most 8 levels.
package product

import (
	"maps"
	"slices"
	"strings"
	"time"

	"haberdash/internal/money"
)

// Statuses of a product. Only active ones are for sale, and visible to customers.
const (
	Active   = "active"
	Draft    = "draft"
	Archived = "archived"
)

// Product is an article in one or more variants. Stored values are shared and must not be changed: see Clone.
type Product struct {
	ID          string    `json:"id"`
	Handle      string    `json:"handle"`
	Title       string    `json:"title"`
	Description string    `json:"description,omitempty"` // HTML, sanitised
	Brand       string    `json:"brand,omitempty"`
	Categories  []string  `json:"categories,omitempty"` // handles
	Tags        []string  `json:"tags,omitempty"`
	Options     []Option  `json:"options,omitempty"`
	Variants    []Variant `json:"variants"`
	Images      []Image   `json:"images,omitempty"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"createdAt,omitzero"` // the time of the first event
	UpdatedAt   time.Time `json:"updatedAt,omitzero"` // the time of the last event
}

// Option is a property in which variants differ, such as Size.
type Option struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Variant is what customers put into a cart.
type Variant struct {
	SKU              string            `json:"sku"`
	Title            string            `json:"title,omitempty"`   // empty: made of the options
	Options          map[string]string `json:"options,omitempty"` // option name → value
	Price            money.Money       `json:"price"`
	CompareAt        *money.Money      `json:"compareAtPrice,omitempty"` // the price before a reduction
	Barcode          string            `json:"barcode,omitempty"`
	Grams            int64             `json:"grams,omitempty"`
	Taxable          bool              `json:"taxable"`
	RequiresShipping bool              `json:"requiresShipping"`
	Image            string            `json:"image,omitempty"` // URL; empty: the first image of the product
}

// Image is a picture of the product.
type Image struct {
	URL string `json:"url"` // absolute http(s), or a path on the storefront's host
	Alt string `json:"alt,omitempty"`
}

// VariantTitle is what a variant is called beside its product: its own title, else its option values, else the title of
// the product.
func (p Product) VariantTitle(v Variant) string {
	switch {
	case v.Title != "":
		return v.Title
	case len(p.Options) == 0:
		return p.Title
	}
	return strings.Join(v.Values(p.Options), " / ")
}

// LineTitle is what a variant is called in a line of a cart or an order.
func (p Product) LineTitle(v Variant) string {
	if t := p.VariantTitle(v); t != p.Title {
		return p.Title + " – " + t
	}
	return p.Title
}

// ImageOf is the URL of the variant's picture; it is empty if there is none.
func (p Product) ImageOf(v Variant) string {
	if v.Image == "" && len(p.Images) > 0 {
		return p.Images[0].URL
	}
	return v.Image
}

// Cheapest is the variant with the lowest price, the first of several.
func (p Product) Cheapest() Variant {
	best := p.Variants[0]
	for _, v := range p.Variants[1:] {
		if v.Price.Amount < best.Price.Amount {
			best = v
		}
	}
	return best
}

// SKUs lists the SKUs of the product's variants.
func (p Product) SKUs() []string {
	skus := make([]string, len(p.Variants))
	for i, v := range p.Variants {
		skus[i] = v.SKU
	}
	return skus
}

// Clone copies the parts of a product that Check and imports change in place.
func (p Product) Clone() Product {
	p.Options = slices.Clone(p.Options)
	for i := range p.Options {
		p.Options[i].Values = slices.Clone(p.Options[i].Values)
	}
	p.Variants = slices.Clone(p.Variants)
	for i := range p.Variants {
		p.Variants[i].Options = maps.Clone(p.Variants[i].Options)
	}
	p.Images = slices.Clone(p.Images)
	return p
}

// Values are the variant's option values, in the order of the product's options.
func (v Variant) Values(options []Option) []string {
	values := make([]string, len(options))
	for i, o := range options {
		values[i] = v.Options[o.Name]
	}
	return values
}

// OptionKey is the same for variants with the same option values.
func (v Variant) OptionKey(options []Option) string { return strings.Join(v.Values(options), "\x00") }

// HasValues tells whether the variant has these option values, in the order of the product's options.
func (v Variant) HasValues(options []Option, values []string) bool {
	for i, own := range v.Values(options) {
		if i >= len(values) || values[i] != own {
			return false
		}
	}
	return true
}
