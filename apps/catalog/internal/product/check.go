package product

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"haberdash/apps/catalog/internal/names"
)

// Limits of a product.
const (
	MaxVariants    = 100
	MaxImages      = 50
	maxOptions     = 3
	maxText        = 250
	maxDescription = 20_000
	maxTags        = 50
	maxCategories  = 20
	maxPrice       = 100_000_000_000 // minor units
	maxGrams       = 100_000_000
	maxBytes       = 128 << 10 // encoded; a commit has room for twice as much
)

// Check says what is wrong with a product (rule 2), after it has normalised it: it trims texts, drops repeated tags,
// and fills in a missing handle, a missing status and the values of options. SKUs may be missing.
func (p *Product) Check() (bad Problems) {
	if p.Handle == "" {
		p.Handle = names.Slug(p.Title)
	}
	bad = p.CheckFields()
	if n := len(p.Variants); n < 1 || n > MaxVariants {
		bad.add("variants", "must be 1 to %d", MaxVariants)
		return bad
	}
	if len(p.Images) > MaxImages {
		bad.add("images", "must be at most %d", MaxImages)
		return bad
	}
	for i := range p.Images {
		bad = append(bad, p.Images[i].check(fmt.Sprintf("images[%d].", i))...)
	}
	for i := range p.Variants {
		bad = append(bad, p.checkVariant(i)...)
	}
	p.fillOptions()
	if len(bad) == 0 {
		if b, err := json.Marshal(p); err != nil || len(b) > maxBytes {
			bad.add("", "the product is too large: at most %d bytes of JSON", maxBytes)
		}
	}
	return bad
}

// CheckFields is Check without the variants and the images.
func (p *Product) CheckFields() (bad Problems) {
	bad.text("title", &p.Title, 1, maxText)
	bad.text("description", &p.Description, 0, maxDescription)
	bad.text("brand", &p.Brand, 0, maxText)
	if message := names.CheckHandle(p.Handle); message != "" {
		bad.add("handle", "%s", message)
	}
	if p.Status == "" {
		p.Status = Active
	}
	if p.Status != Active && p.Status != Draft && p.Status != Archived {
		bad.add("status", "must be active, draft or archived")
	}
	bad.texts("tags", &p.Tags, maxTags, maxText)
	bad.texts("categories", &p.Categories, maxCategories, names.MaxHandle)
	if len(p.Options) > maxOptions {
		bad.add("options", "must be at most %d", maxOptions)
	}
	for i := range p.Options {
		o := &p.Options[i]
		field := fmt.Sprintf("options[%d].", i)
		bad.text(field+"name", &o.Name, 1, 50)
		bad.texts(field+"values", &o.Values, MaxVariants, 100)
		if slices.ContainsFunc(p.Options[:i], func(e Option) bool { return e.Name == o.Name }) {
			bad.add(field+"name", "is repeated")
		}
	}
	return bad
}

// checkVariant checks variant i by itself and against those before it.
func (p *Product) checkVariant(i int) Problems {
	v, field := &p.Variants[i], fmt.Sprintf("variants[%d].", i)
	bad := v.check(field, p.Options)
	for _, o := range p.Options {
		if len(o.Values) > 0 && !slices.Contains(o.Values, v.Options[o.Name]) {
			bad.add(field+"options."+o.Name, "is not one of the option's values")
		}
	}
	for _, e := range p.Variants[:i] {
		if e.SKU != "" && e.SKU == v.SKU {
			bad.add(field+"sku", "is repeated")
		}
		if e.OptionKey(p.Options) == v.OptionKey(p.Options) {
			bad.add(field+"options", "are those of another variant")
		}
		if e.Price.Currency != v.Price.Currency {
			bad.add(field+"price.currency", "differs from the other variants'")
		}
	}
	return bad
}

// fillOptions gives an option without values those of the variants.
func (p *Product) fillOptions() {
	for i := range p.Options {
		o := &p.Options[i]
		if len(o.Values) > 0 {
			continue
		}
		for _, v := range p.Variants {
			if !slices.Contains(o.Values, v.Options[o.Name]) {
				o.Values = append(o.Values, v.Options[o.Name])
			}
		}
	}
}

// Check says what is wrong with a variant by itself, after it has trimmed its texts. Its SKU may be missing.
func (v *Variant) Check(options []Option) Problems { return v.check("", options) }

func (v *Variant) check(field string, options []Option) (bad Problems) {
	bad.text(field+"title", &v.Title, 0, maxText)
	bad.text(field+"barcode", &v.Barcode, 0, 100)
	if v.SKU = strings.TrimSpace(v.SKU); v.SKU != "" {
		if message := names.CheckSKU(v.SKU); message != "" {
			bad.add(field+"sku", "%s", message)
		}
	}
	bad.price(field+"price", v.Price)
	if v.CompareAt != nil {
		bad.price(field+"compareAtPrice", *v.CompareAt)
		if v.CompareAt.Currency != v.Price.Currency {
			bad.add(field+"compareAtPrice.currency", "differs from the price's")
		}
	}
	if v.Grams < 0 || v.Grams > maxGrams {
		bad.add(field+"grams", "must be 0 to %d", maxGrams)
	}
	if v.Image != "" {
		bad.url(field+"image", v.Image)
	}
	for _, o := range options {
		value := v.Options[o.Name]
		before := value
		if bad.text(field+"options."+o.Name, &value, 1, 100); value != before {
			v.Options[o.Name] = value
		}
	}
	if len(v.Options) > len(options) {
		bad.add(field+"options", "has names that are no options of the product")
	}
	return bad
}

// Check says what is wrong with an image, after it has trimmed its text.
func (i *Image) Check() Problems { return i.check("") }

func (i *Image) check(field string) (bad Problems) {
	bad.url(field+"url", i.URL)
	bad.text(field+"alt", &i.Alt, 0, 500)
	return bad
}
