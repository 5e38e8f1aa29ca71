package imports

import (
	"fmt"
	"slices"

	"haberdash/apps/catalog/internal/product"
)

// Merge merges the rows of an item into a product, nil for a new one, and returns the product and the quantities of its
// variants by position. Rows that are wrong are reported and left out; ok is false if nothing remains to import. owned
// tells whether another product has a SKU. Merge changes old in place: pass a clone.
func (it Item) Merge(
	old *product.Product, owned func(sku string) bool,
) (p product.Product, counts map[int]int64, errs []RowError, ok bool) {
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
	if bad := p.CheckFields(); len(bad) > 0 {
		fail(it.Line, bad.Reason())
		return p, nil, errs, false
	}
	counts = map[int]int64{}
	p.Variants = slices.Clone(p.Variants)
	for _, row := range it.Variants {
		if i, reason := mergeVariant(&p, row, owned); reason != "" {
			fail(row.Line, reason)
		} else if row.Quantity != nil {
			counts[i] = *row.Quantity
		}
	}
	p.Images = slices.Clone(p.Images)
	for _, row := range it.Images {
		if reason := mergeImage(&p, row.Image); reason != "" {
			fail(row.Line, reason)
		}
	}
	addOptionValues(&p)
	if len(p.Variants) == 0 {
		if len(errs) == 0 && !it.Reported {
			fail(it.Line, "the product has no variant")
		}
		return p, nil, errs, false
	}
	if bad := p.Check(); len(bad) > 0 {
		fail(it.Line, bad.Reason())
		return p, nil, errs, false
	}
	return p, counts, errs, true
}

// mergeOptions gives the product the item's options. Variants with other options are dropped.
func (it Item) mergeOptions(p *product.Product) {
	present := make([]string, len(p.Options))
	for i, o := range p.Options {
		present[i] = o.Name
	}
	silent := it.Fields == nil && len(it.OptionNames) == 0
	if silent || len(it.Variants) == 0 || slices.Equal(present, it.OptionNames) {
		p.Options = slices.Clone(p.Options)
		return
	}
	p.Options, p.Variants = nil, nil
	for _, name := range it.OptionNames {
		p.Options = append(p.Options, product.Option{Name: name})
	}
}

// mergeVariant adds the variant of a row, or changes the variant with its SKU or, failing that, with its options. It
// returns the position of the variant, or why the row is wrong.
func mergeVariant(p *product.Product, row VariantRow, owned func(sku string) bool) (at int, reason string) {
	v, reason := variantOf(row, p.Options)
	if reason != "" {
		return 0, reason
	}
	if bad := v.Check(p.Options); len(bad) > 0 {
		return 0, bad.Reason()
	}
	if v.SKU != "" && owned(v.SKU) {
		return 0, fmt.Sprintf("sku: another product has %q", v.SKU)
	}
	at = -1
	for i, e := range p.Variants {
		sameSKU := v.SKU != "" && e.SKU == v.SKU
		if !sameSKU && e.OptionKey(p.Options) != v.OptionKey(p.Options) {
			continue
		}
		if at >= 0 {
			return 0, "sku and options belong to two different variants"
		}
		at = i
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
	case len(p.Variants) >= product.MaxVariants:
		return 0, fmt.Sprintf("a product has at most %d variants", product.MaxVariants)
	case len(p.Options) == 0 && len(p.Variants) > 0:
		return 0, "the product has no options, so only one variant"
	default:
		p.Variants = append(p.Variants, v)
		at = len(p.Variants) - 1
	}
	return at, ""
}

func variantOf(row VariantRow, options []product.Option) (v product.Variant, reason string) {
	v = product.Variant{
		SKU: row.SKU, Price: row.Price, CompareAt: row.CompareAt, Barcode: row.Barcode, Grams: row.Grams,
		Taxable: row.Taxable, RequiresShipping: row.RequiresShipping, Image: row.Image,
	}
	for i, value := range row.Values {
		if i < len(options) {
			if v.Options == nil {
				v.Options = map[string]string{}
			}
			v.Options[options[i].Name] = value
		} else if value != "" {
			return v, fmt.Sprintf("Option%d Value: the product has no such option", i+1)
		}
	}
	return v, ""
}

// mergeImage adds an image, or changes the text of the image with its address.
func mergeImage(p *product.Product, added product.Image) (reason string) {
	if bad := added.Check(); len(bad) > 0 {
		return bad.Reason()
	}
	for i, e := range p.Images {
		if e.URL == added.URL {
			if added.Alt != "" {
				p.Images[i].Alt = added.Alt
			}
			return ""
		}
	}
	if len(p.Images) >= product.MaxImages {
		return fmt.Sprintf("a product has at most %d images", product.MaxImages)
	}
	p.Images = append(p.Images, added)
	return ""
}

// addOptionValues adds the variants' values to the options.
func addOptionValues(p *product.Product) {
	for i, o := range p.Options {
		values := slices.Clone(o.Values)
		for _, v := range p.Variants {
			if value := v.Options[o.Name]; !slices.Contains(values, value) {
				values = append(values, value)
			}
		}
		p.Options[i] = product.Option{Name: o.Name, Values: values}
	}
}
