package products

import (
	"time"

	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

type optionView struct {
	Name   string   `json:"name" maxLength:"50"`
	Values []string `json:"values" nullable:"false" maxItems:"100"`
}

type imageView struct {
	URL string `json:"url" maxLength:"2000" doc:"Absolute, or a path of this shop"`
	Alt string `json:"alt" maxLength:"500"`
}

type productVariantView struct {
	SKU              string            `json:"sku"`
	Title            string            `json:"title"`
	Options          map[string]string `json:"options" nullable:"false" doc:"Option name to value"`
	Price            money.Money       `json:"price"`
	CompareAtPrice   *money.Money      `json:"compareAtPrice,omitempty" doc:"The price before a reduction"`
	Barcode          string            `json:"barcode,omitempty"`
	Image            string            `json:"image,omitempty"`
	Grams            int64             `json:"grams"`
	Taxable          bool              `json:"taxable"`
	RequiresShipping bool              `json:"requiresShipping"`
	Available        int64             `json:"available" doc:"Units that can be sold now"`
	InStock          bool              `json:"inStock"`
}

type productView struct {
	ID          string               `json:"id"`
	Handle      string               `json:"handle"`
	Title       string               `json:"title"`
	Description string               `json:"description" doc:"Sanitised HTML"`
	Brand       string               `json:"brand"`
	Categories  []string             `json:"categories" nullable:"false" doc:"Handles"`
	Tags        []string             `json:"tags" nullable:"false"`
	Options     []optionView         `json:"options" nullable:"false"`
	Variants    []productVariantView `json:"variants" nullable:"false"`
	Images      []imageView          `json:"images" nullable:"false"`
	Status      string               `json:"status" enum:"active,draft,archived"`
	CreatedAt   time.Time            `json:"createdAt"`
	UpdatedAt   time.Time            `json:"updatedAt"`
}

// view makes the view of a product. categories are those that exist, and levels has how many of each SKU are available.
func view(p product.Product, categories []string, levels map[string]int64) productView {
	v := productView{
		ID: p.ID, Handle: p.Handle, Title: p.Title, Description: p.Description, Brand: p.Brand, Status: p.Status,
		Categories: append([]string{}, categories...), Tags: append([]string{}, p.Tags...),
		Options: []optionView{}, Images: []imageView{}, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
	}
	for _, o := range p.Options {
		v.Options = append(v.Options, optionView(o))
	}
	for _, i := range p.Images {
		v.Images = append(v.Images, imageView(i))
	}
	for _, e := range p.Variants {
		available := max(0, levels[e.SKU])
		options := e.Options
		if options == nil {
			options = map[string]string{}
		}
		v.Variants = append(v.Variants, productVariantView{
			SKU: e.SKU, Title: p.VariantTitle(e), Options: options, Price: e.Price, CompareAtPrice: e.CompareAt,
			Barcode: e.Barcode, Image: e.Image, Grams: e.Grams, Taxable: e.Taxable, RequiresShipping: e.RequiresShipping,
			Available: available, InStock: available > 0,
		})
	}
	return v
}

type productSummaryView struct {
	ID             string       `json:"id"`
	Handle         string       `json:"handle"`
	Title          string       `json:"title"`
	Brand          string       `json:"brand"`
	Image          string       `json:"image" doc:"URL of the first image, empty without any"`
	Price          money.Money  `json:"price" doc:"Of the cheapest variant"`
	CompareAtPrice *money.Money `json:"compareAtPrice,omitempty" doc:"Of the cheapest variant, before a reduction"`
	InStock        bool         `json:"inStock" doc:"At least one variant can be sold now"`
	Status         string       `json:"status" enum:"active,draft,archived"`
}

func summary(e *listing.Entry, levels map[string]int64) productSummaryView {
	v := productSummaryView{
		ID: e.ID, Handle: e.Handle, Title: e.Title, Brand: e.Brand, Price: e.From.Price,
		CompareAtPrice: e.From.CompareAt, InStock: inStock(e, levels), Status: e.Status,
	}
	if len(e.Images) > 0 {
		v.Image = e.Images[0].URL
	}
	return v
}
