package products

import (
	"maps"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

type variantForm struct {
	SKU              string            `json:"sku,omitempty" maxLength:"100" doc:"Derived from handle and options if missing"`
	Title            string            `json:"title,omitempty" maxLength:"250" doc:"Made of the options if missing"`
	Options          map[string]string `json:"options,omitempty" doc:"Option name to value, one for each option"`
	Price            money.Money       `json:"price"`
	CompareAtPrice   *money.Money      `json:"compareAtPrice,omitempty"`
	Barcode          string            `json:"barcode,omitempty" maxLength:"100"`
	Image            string            `json:"image,omitempty" maxLength:"2000"`
	Grams            int64             `json:"grams,omitempty" minimum:"0" maximum:"100000000"`
	Taxable          *bool             `json:"taxable,omitempty" doc:"true if missing"`
	RequiresShipping *bool             `json:"requiresShipping,omitempty" doc:"true if missing"`
}

type optionForm struct {
	Name   string   `json:"name" minLength:"1" maxLength:"50"`
	Values []string `json:"values,omitempty" maxItems:"100" doc:"Those of the variants if missing"`
}

type imageForm struct {
	URL string `json:"url" minLength:"1" maxLength:"2000"`
	Alt string `json:"alt,omitempty" maxLength:"500"`
}

// ProductForm is a product as staff write it, and a line of an x-ndjson import.
type ProductForm struct {
	Handle      string        `json:"handle,omitempty" maxLength:"255" doc:"Made of the title if missing; a change keeps the present one"`
	Title       string        `json:"title" minLength:"1" maxLength:"250"`
	Description string        `json:"description,omitempty" maxLength:"20000" doc:"HTML; unsafe elements are removed"`
	Brand       string        `json:"brand,omitempty" maxLength:"250"`
	Categories  []string      `json:"categories,omitempty" maxItems:"20" doc:"Handles"`
	Tags        []string      `json:"tags,omitempty" maxItems:"50"`
	Options     []optionForm  `json:"options,omitempty" maxItems:"3"`
	Variants    []variantForm `json:"variants" nullable:"false" minItems:"1" maxItems:"100"`
	Images      []imageForm   `json:"images,omitempty" maxItems:"50"`
	Status      string        `json:"status,omitempty" enum:"active,draft,archived" doc:"active if missing; a change keeps the present one"`
}

// Product makes the domain's product of a form, which is not checked yet. sanitise makes its HTML harmless.
func (f ProductForm) Product(sanitise func(html string) string) product.Product {
	p := product.Product{
		Handle: f.Handle, Title: f.Title, Description: sanitise(f.Description), Brand: f.Brand, Categories: f.Categories,
		Tags: f.Tags, Status: f.Status,
	}
	for _, o := range f.Options {
		p.Options = append(p.Options, product.Option(o))
	}
	for _, i := range f.Images {
		p.Images = append(p.Images, product.Image(i))
	}
	for _, v := range f.Variants {
		p.Variants = append(p.Variants, product.Variant{
			SKU: v.SKU, Title: v.Title, Options: maps.Clone(v.Options), Price: v.Price, CompareAt: v.CompareAtPrice,
			Barcode: v.Barcode, Image: v.Image, Grams: v.Grams, Taxable: v.Taxable == nil || *v.Taxable,
			RequiresShipping: v.RequiresShipping == nil || *v.RequiresShipping,
		})
	}
	return p
}
