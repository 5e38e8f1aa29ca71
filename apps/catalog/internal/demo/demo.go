// Package demo is the catalogue of a small haberdashery, for demonstrations and tests: products, categories and stock,
// with pictures that a program draws. It is the same each time.
package demo

import (
	"hash/fnv"
	"strconv"
	"strings"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/names"
	"haberdash/apps/catalog/internal/pictures"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

// article is a product of the demo catalogue.
type article struct {
	handle, title, brand string
	category             string
	kind                 string // of the drawing
	cents, before        int64  // price; price before a reduction, 0 for none
	grams                int64
	colours              []string
	option               string   // name of the second option, if there are sizes
	sizes                []string // "20 mm+150" costs 150 cents more
	tags                 string
	text                 string
	stock                int64 // of each variant, or many
}

// many is a stock of 5 to 200, different for each variant.
const many = -1

// Items lists the products as an import needs them, with their quantities in stock.
func Items() []imports.Item {
	categories := Categories()
	items := make([]imports.Item, len(articles))
	for i, a := range articles {
		p, counts := a.product()
		items[i] = imports.Item{Line: i + 1, Handle: a.handle, Whole: &p, Counts: counts, Categories: categories}
	}
	return items
}

// Categories lists the categories, parents first.
func Categories() []product.Category {
	var all []product.Category
	for _, c := range tree {
		handle, name, _ := strings.Cut(c, "|")
		parent, child, nested := strings.Cut(handle, "/")
		if !nested {
			parent, child = "", handle
		}
		all = append(all, product.Category{Handle: child, Name: name, Parent: parent})
	}
	return all
}

// Picture draws the picture with a name that the URL of an image in Items contains, as SVG. The first picture of an
// article is named by its handle, and another by handle_colour.
func Picture(name string) (svg []byte, ok bool) {
	handle, _, _ := strings.Cut(name, "_")
	for _, a := range articles {
		if a.handle != handle {
			continue
		}
		for i, colour := range a.colours {
			if name == a.picture(i) {
				return pictures.Draw(a.title+", "+colour, a.kind, colour), true
			}
		}
	}
	return nil, false
}

func (a article) product() (product.Product, map[string]int64) {
	p := product.Product{
		Handle: a.handle, Title: a.title, Brand: a.brand, Status: product.Active, Description: "<p>" + a.text + "</p>",
		Categories: []string{a.category}, Tags: strings.Fields(a.tags),
	}
	if len(a.colours) > 1 {
		p.Options = append(p.Options, product.Option{Name: "Colour", Values: capitaliseAll(a.colours)})
	}
	sizes := a.sizes
	if len(sizes) == 0 {
		sizes = []string{""}
	} else {
		p.Options = append(p.Options, product.Option{Name: a.option, Values: sizeNames(sizes)})
	}
	counts := map[string]int64{}
	for i, colour := range a.colours {
		image := product.Image{URL: "/media/" + a.picture(i) + ".svg", Alt: a.title + ", " + colour}
		p.Images = append(p.Images, image)
		for _, size := range sizes {
			v := a.variant(colour, size, image.URL)
			p.Variants = append(p.Variants, v)
			counts[v.SKU] = a.quantity(v.SKU)
		}
	}
	return p, counts
}

func (a article) picture(colour int) string {
	if colour == 0 {
		return a.handle
	}
	return a.handle + "_" + a.colours[colour]
}

func (a article) variant(colour, size, image string) product.Variant {
	name, surcharge := parseSize(size)
	price := money.New(a.cents+surcharge, "EUR")
	v := product.Variant{Price: price, Grams: a.grams, Taxable: true, RequiresShipping: true, Image: image}
	if a.before > 0 {
		m := money.New(a.before+surcharge, "EUR")
		v.CompareAt = &m
	}
	var values []string
	options := map[string]string{}
	if len(a.colours) > 1 {
		options["Colour"] = capitalise(colour)
		values = append(values, colour)
	}
	if name != "" {
		options[a.option] = name
		values = append(values, name)
	}
	if len(options) > 0 {
		v.Options = options
	}
	v.SKU = names.DeriveSKU(a.handle, values, func(string) bool { return false })
	return v
}

// quantity is the stock of a variant.
func (a article) quantity(sku string) int64 {
	if a.stock != many {
		return a.stock
	}
	h := fnv.New32a()
	h.Write([]byte(sku))
	return 5 + int64(h.Sum32()%196)
}

// parseSize reads "20 mm+150".
func parseSize(size string) (name string, surcharge int64) {
	name, plus, _ := strings.Cut(size, "+")
	surcharge, _ = strconv.ParseInt(plus, 10, 64)
	return name, surcharge
}

func sizeNames(sizes []string) []string {
	list := make([]string, len(sizes))
	for i, s := range sizes {
		list[i], _ = parseSize(s)
	}
	return list
}

func capitalise(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func capitaliseAll(words []string) []string {
	list := make([]string, len(words))
	for i, s := range words {
		list[i] = capitalise(s)
	}
	return list
}
