// Package demo is the catalogue of a small haberdasher's shop, to look at and to test with: products,
// categories, stock, and pictures drawn by program. The same calls always give the same.
package demo

import (
	"fmt"
	"hash/fnv"
	"strings"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

// goods is one line of the shop's book.
type goods struct {
	handle, title, brand string
	category             string
	kind                 string // which drawing
	cents, before        int64  // price; price before a reduction, 0 for none
	grams                int64
	colours              []string
	option               string   // name of the second option, if sizes has any
	sizes                []string // "20 mm+150": dearer by 150 cents
	tags                 string
	text                 string
	stock                int64 // of each variant; many: 5 to 200, different for each
}

const many = -1

// Items gives the products as an import takes them, with the quantities on the shelf.
func Items() []product.Item {
	tree := Categories()
	items := make([]product.Item, len(book))
	for i, g := range book {
		p, counts := g.product()
		items[i] = product.Item{Line: i + 1, Handle: g.handle, Whole: &p, Counts: counts, Categories: tree}
	}
	return items
}

// Categories gives the tree, parents first.
func Categories() []product.Category {
	var all []product.Category
	for _, c := range shelves {
		handle, name, _ := strings.Cut(c, "|")
		parent, child, nested := strings.Cut(handle, "/")
		if !nested {
			parent, child = "", handle
		}
		all = append(all, product.Category{Handle: child, Name: name, Parent: parent})
	}
	return all
}

func (g goods) product() (product.Product, map[string]int64) {
	p := product.Product{
		Handle: g.handle, Title: g.title, Brand: g.brand, Status: product.Active, Description: "<p>" + g.text + "</p>",
		Categories: []string{g.category}, Tags: strings.Fields(g.tags),
	}
	if len(g.colours) > 1 {
		p.Options = append(p.Options, product.Option{Name: "Colour", Values: titles(g.colours)})
	}
	sizes := g.sizes
	if len(sizes) == 0 {
		sizes = []string{""}
	} else {
		p.Options = append(p.Options, product.Option{Name: g.option, Values: names(sizes)})
	}
	counts := map[string]int64{}
	for i, colour := range g.colours {
		image := product.Image{URL: "/media/" + g.picture(i) + ".svg", Alt: g.title + ", " + colour}
		p.Images = append(p.Images, image)
		for _, size := range sizes {
			v := g.variant(colour, size, image.URL)
			p.Variants = append(p.Variants, v)
			counts[v.SKU] = g.shelf(v.SKU)
		}
	}
	return p, counts
}

func (g goods) picture(colour int) string {
	if colour == 0 {
		return g.handle
	}
	return g.handle + "_" + g.colours[colour]
}

func (g goods) variant(colour, size, image string) product.Variant {
	name, dearer := split(size)
	v := product.Variant{
		Price: money.New(g.cents+dearer, "EUR"), Grams: g.grams, Taxable: true, RequiresShipping: true, Image: image,
	}
	if g.before > 0 {
		m := money.New(g.before+dearer, "EUR")
		v.CompareAt = &m
	}
	var values []string
	options := map[string]string{}
	if len(g.colours) > 1 {
		options["Colour"] = title(colour)
		values = append(values, colour)
	}
	if name != "" {
		options[g.option] = name
		values = append(values, name)
	}
	if len(options) > 0 {
		v.Options = options
	}
	v.SKU = product.DeriveSKU(g.handle, values, func(string) bool { return false })
	return v
}

func (g goods) shelf(sku string) int64 {
	if g.stock != many {
		return g.stock
	}
	h := fnv.New32a()
	h.Write([]byte(sku))
	return 5 + int64(h.Sum32()%196)
}

// split reads "20 mm+150".
func split(size string) (name string, dearer int64) {
	name, plus, _ := strings.Cut(size, "+")
	fmt.Sscan(plus, &dearer)
	return name, dearer
}

func names(sizes []string) []string {
	out := make([]string, len(sizes))
	for i, s := range sizes {
		out[i], _ = split(s)
	}
	return out
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func titles(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = title(s)
	}
	return out
}
