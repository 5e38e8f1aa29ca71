package service

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
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
	Available        int64             `json:"available" doc:"What can be sold now"`
	InStock          bool              `json:"inStock"`
}

type productView struct {
	ID          string               `json:"id"`
	Handle      string               `json:"handle"`
	Title       string               `json:"title"`
	Description string               `json:"description" doc:"HTML, harmless"`
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

// view shows a product with what is available of its SKUs and the categories that exist.
func view(p product.Product, categories []string, levels map[string]int64) productView {
	v := productView{
		ID: p.ID, Handle: p.Handle, Title: p.Title, Description: p.Description, Brand: p.Brand, Status: p.Status,
		Categories: append([]string{}, categories...), Tags: append([]string{}, p.Tags...), Options: []optionView{}, Images: []imageView{},
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt,
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
			SKU: e.SKU, Title: p.VariantTitle(e), Options: options, Price: e.Price, CompareAtPrice: e.CompareAt, Barcode: e.Barcode,
			Image: e.Image, Grams: e.Grams, Taxable: e.Taxable, RequiresShipping: e.RequiresShipping, Available: available, InStock: available > 0,
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

func item(e *listing.Entry, levels map[string]int64) productSummaryView {
	v := productSummaryView{
		ID: e.ID, Handle: e.Handle, Title: e.Title, Brand: e.Brand, Price: e.From.Price, CompareAtPrice: e.From.CompareAt,
		InStock: anyOf(e, levels), Status: e.Status,
	}
	if len(e.Images) > 0 {
		v.Image = e.Images[0].URL
	}
	return v
}

// Cache-Control of public reads: the gateway and browsers may be a second behind, two while they renew it. What is
// left of a product is in them, so not more; and no stale-if-error: while the catalogue is away, nobody knows.
const publicCache = "public, max-age=1, stale-while-revalidate=1"

// privateCache is for what only staff may see.
const privateCache = "private, no-store"

// digest is a hash of a value's JSON, for ETags.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // views are plain structs
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:10])
}

// etag is the strong ETag of a resource that can be changed: the version, which If-Match compares, and a
// digest of what was shown, which changes with the stock too.
func etag(seq uint64, shown any) string {
	return `"` + strconv.FormatUint(seq, 10) + "-" + digest(shown) + `"`
}

// versions cuts the digests off an If-Match header: a sale between reading and changing a product is no
// change that could be lost.
func versions(ifMatch string) string {
	tags := strings.Split(ifMatch, ",")
	for i, tag := range tags {
		tag = strings.TrimSpace(tag)
		if version, _, ok := strings.Cut(tag, "-"); ok && strings.HasPrefix(tag, `"`) {
			tag = version + `"`
		}
		tags[i] = tag
	}
	return strings.Join(tags, ",")
}

// version is what versions leaves of an etag.
func version(seq uint64) string { return `"` + strconv.FormatUint(seq, 10) + `"` }
