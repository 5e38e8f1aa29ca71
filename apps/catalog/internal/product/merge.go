package product

import (
	"fmt"
	"maps"
	"slices"

	"haberdash/internal/money"
)

// Item is one product of an import. Either Whole is set (the product as it shall be, with Counts), or
// the rest: rows that are merged into the product with the handle (rule 4).
type Item struct {
	Line     int // where it stands in the file, for the report
	Handle   string
	Reported bool // some of its rows were wrong and are in the report already

	Whole  *Product
	Counts map[string]int64 // quantity by SKU

	Fields      *Fields // nil: the rows say nothing about the product itself
	OptionNames []string
	Variants    []VariantRow
	Images      []ImageRow

	// Categories to make if they are not there, parents first.
	Categories []Category
}

// Fields are what an import's first row says of the product.
type Fields struct {
	Title, Description, Brand, Status string
	Categories, Tags                  []string
}

// VariantRow is a variant in an import.
type VariantRow struct {
	Line             int
	SKU              string   // empty: derived
	Values           []string // of the options, in order
	Price            money.Money
	CompareAt        *money.Money
	Barcode, Image   string
	Grams            int64
	Taxable          bool
	RequiresShipping bool
	Quantity         *int64 // on the shelf when the file was written; nil: not counted
}

// ImageRow is an image in an import.
type ImageRow struct {
	Line int
	Image
}

// RowError is a row that was left out, and why.
type RowError struct {
	Line   int    `json:"line"`
	Handle string `json:"handle"`
	Reason string `json:"reason"`
}

// merge gives the product after the item and the quantities of its variants by position. Rows that are
// wrong are reported and left out (rule 5); ok is false when nothing can be made of the item.
// owner tells which other product, if any, has a SKU.
func (it Item) merge(old *Product, owner func(sku string) bool) (p Product, counts map[int]int64, errs []RowError, ok bool) {
	fail := func(line int, reason string) { errs = append(errs, RowError{line, it.Handle, reason}) }
	if old != nil {
		p = *old
	}
	p.Handle = it.Handle
	if f := it.Fields; f != nil {
		p.Title, p.Description, p.Brand, p.Status = f.Title, f.Description, f.Brand, f.Status
		p.Categories, p.Tags = slices.Clone(f.Categories), slices.Clone(f.Tags)
	} else if old == nil {
		if !it.Reported {
			fail(it.Line, "Title: is missing")
		}
		return p, nil, errs, false
	}
	it.mergeOptions(&p)
	if bad := p.checkFields(); len(bad) > 0 {
		fail(it.Line, bad.reason())
		return p, nil, errs, false
	}
	counts = map[int]int64{}
	p.Variants = slices.Clone(p.Variants)
	for _, row := range it.Variants {
		if i, reason := p.mergeVariant(row, owner); reason != "" {
			fail(row.Line, reason)
		} else if row.Quantity != nil {
			counts[i] = *row.Quantity
		}
	}
	p.Images = slices.Clone(p.Images)
	for _, row := range it.Images {
		if reason := p.mergeImage(row.Image); reason != "" {
			fail(row.Line, reason)
		}
	}
	p.addOptionValues()
	if len(p.Variants) == 0 {
		if len(errs) == 0 && !it.Reported {
			fail(it.Line, "the product has no variant")
		}
		return p, nil, errs, false
	}
	if bad := p.check(); len(bad) > 0 {
		fail(it.Line, bad.reason())
		return p, nil, errs, false
	}
	return p, counts, errs, true
}

// mergeOptions gives the product the item's options. Variants of other options cannot stay beside them.
func (it Item) mergeOptions(p *Product) {
	names := make([]string, len(p.Options))
	for i, o := range p.Options {
		names[i] = o.Name
	}
	if it.Fields == nil && len(it.OptionNames) == 0 || len(it.Variants) == 0 || slices.Equal(names, it.OptionNames) {
		p.Options = slices.Clone(p.Options)
		return
	}
	p.Options, p.Variants = nil, nil
	for _, name := range it.OptionNames {
		p.Options = append(p.Options, Option{Name: name})
	}
}

// mergeVariant adds the row's variant, or changes the one with its SKU, else its options.
func (p *Product) mergeVariant(row VariantRow, owner func(string) bool) (at int, reason string) {
	v := Variant{
		SKU: row.SKU, Price: row.Price, CompareAt: row.CompareAt, Barcode: row.Barcode, Grams: row.Grams,
		Taxable: row.Taxable, RequiresShipping: row.RequiresShipping, Image: row.Image,
	}
	for i, value := range row.Values {
		if i < len(p.Options) {
			if v.Options == nil {
				v.Options = map[string]string{}
			}
			v.Options[p.Options[i].Name] = value
		} else if value != "" {
			return 0, fmt.Sprintf("Option%d Value: the product has no such option", i+1)
		}
	}
	if bad := v.check("", p.Options); len(bad) > 0 {
		return 0, bad.reason()
	}
	if v.SKU != "" && owner(v.SKU) {
		return 0, fmt.Sprintf("sku: another product has %q", v.SKU)
	}
	at = -1
	for i, e := range p.Variants {
		switch {
		case v.SKU != "" && e.SKU == v.SKU:
			if at >= 0 {
				return 0, "sku and options belong to two different variants"
			}
			at = i
		case e.optionKey(p.Options) == v.optionKey(p.Options):
			if at >= 0 {
				return 0, "sku and options belong to two different variants"
			}
			at = i
		}
	}
	for i, e := range p.Variants {
		if i != at && e.Price.Currency != v.Price.Currency {
			return 0, "price: its currency differs from the product's"
		}
	}
	switch {
	case at >= 0:
		if v.SKU == "" {
			v.SKU = p.Variants[at].SKU
		}
		v.Title = p.Variants[at].Title
		p.Variants[at] = v
	case len(p.Variants) >= MaxVariants:
		return 0, fmt.Sprintf("a product has at most %d variants", MaxVariants)
	case len(p.Options) == 0 && len(p.Variants) > 0:
		return 0, "the product has no options, so only one variant"
	default:
		p.Variants = append(p.Variants, v)
		at = len(p.Variants) - 1
	}
	return at, ""
}

// mergeImage adds an image, or changes the text of the one with its address.
func (p *Product) mergeImage(n Image) string {
	if bad := n.check(""); len(bad) > 0 {
		return bad.reason()
	}
	for i, e := range p.Images {
		if e.URL == n.URL {
			if n.Alt != "" {
				p.Images[i].Alt = n.Alt
			}
			return ""
		}
	}
	if len(p.Images) >= MaxImages {
		return fmt.Sprintf("a product has at most %d images", MaxImages)
	}
	p.Images = append(p.Images, n)
	return ""
}

// addOptionValues adds the variants' values to the options.
func (p *Product) addOptionValues() {
	for i, o := range p.Options {
		values := slices.Clone(o.Values)
		for _, v := range p.Variants {
			if value := v.Options[o.Name]; !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
		p.Options[i] = Option{o.Name, values}
	}
}

// clone copies what merge and check may change in place, so that deciding twice decides the same.
func (p Product) clone() Product {
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
