package product

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// Limits of a product.
const (
	MaxVariants    = 100
	MaxImages      = 50
	MaxOptions     = 3
	maxText        = 250
	maxDescription = 20_000
	maxTags        = 50
	maxCategories  = 20
	maxPrice       = 100_000_000_000 // minor units
	maxGrams       = 100_000_000
	maxBytes       = 128 << 10 // encoded: a commit takes twice that
)

// wrong is one broken rule: where in the product, and what.
type wrong struct{ at, message string }

type problems []wrong

func (p *problems) add(at, message string, args ...any) {
	*p = append(*p, wrong{at, fmt.Sprintf(message, args...)})
}

// err is the invalid-request fault that names every wrong field below root, or nil.
func (p problems) err(root string) error {
	if len(p) == 0 {
		return nil
	}
	f := fault.New(fault.Invalid, "invalid-request", "The request is not valid.")
	for _, w := range p[:min(len(p), 20)] {
		f = f.WithField(root+w.at, w.message)
	}
	return f
}

// reason is the same as a sentence for a report.
func (p problems) reason() string {
	texts := make([]string, 0, 3)
	for _, w := range p[:min(len(p), 3)] {
		texts = append(texts, strings.TrimSuffix(w.at, ".")+": "+w.message)
	}
	return strings.Join(texts, "; ")
}

// text checks a line of text and gives it without space around it.
func (p *problems) text(at string, s *string, least, most int) {
	*s = strings.TrimSpace(*s)
	n := utf8.RuneCountInString(*s)
	switch {
	case !utf8.ValidString(*s):
		p.add(at, "is not valid UTF-8")
	case n < least:
		p.add(at, "is missing")
	case n > most:
		p.add(at, "is longer than %d characters", most)
	case strings.IndexFunc(*s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }) >= 0:
		p.add(at, "has control characters")
	}
}

// checkFields checks and tidies all but the variants and the images.
func (p *Product) checkFields() (bad problems) {
	bad.text("title", &p.Title, 1, maxText)
	bad.text("description", &p.Description, 0, maxDescription)
	bad.text("brand", &p.Brand, 0, maxText)
	if message := checkHandle(p.Handle); message != "" {
		bad.add("handle", "%s", message)
	}
	if p.Status == "" {
		p.Status = Active
	}
	if p.Status != Active && p.Status != Draft && p.Status != Archived {
		bad.add("status", "must be active, draft or archived")
	}
	bad.words("tags", &p.Tags, maxTags, maxText)
	bad.words("categories", &p.Categories, maxCategories, maxHandle)
	if len(p.Options) > MaxOptions {
		bad.add("options", "are at most %d", MaxOptions)
	}
	for i := range p.Options {
		o := &p.Options[i]
		at := fmt.Sprintf("options[%d].", i)
		bad.text(at+"name", &o.Name, 1, 50)
		bad.words(at+"values", &o.Values, MaxVariants, 100)
		if slices.ContainsFunc(p.Options[:i], func(e Option) bool { return e.Name == o.Name }) {
			bad.add(at+"name", "stands there twice")
		}
	}
	return bad
}

// words checks a list of texts and drops repetitions and empty ones.
func (p *problems) words(at string, list *[]string, most, length int) {
	kept := make([]string, 0, len(*list))
	for i, w := range *list {
		p.text(fmt.Sprintf("%s[%d]", at, i), &w, 0, length)
		if w != "" && !slices.Contains(kept, w) {
			kept = append(kept, w)
		}
		if len(kept) > most {
			p.add(at, "are at most %d", most)
			break
		}
	}
	*list = kept
}

// check checks and tidies a variant; its SKU may still be missing.
func (v *Variant) check(at string, options []Option) (bad problems) {
	bad.text(at+"title", &v.Title, 0, maxText)
	bad.text(at+"barcode", &v.Barcode, 0, 100)
	if v.SKU = strings.TrimSpace(v.SKU); v.SKU != "" {
		if message := checkSKU(v.SKU); message != "" {
			bad.add(at+"sku", "%s", message)
		}
	}
	bad.price(at+"price", v.Price)
	if v.CompareAt != nil {
		bad.price(at+"compareAtPrice", *v.CompareAt)
		if v.CompareAt.Currency != v.Price.Currency {
			bad.add(at+"compareAtPrice.currency", "differs from the price's")
		}
	}
	if v.Grams < 0 || v.Grams > maxGrams {
		bad.add(at+"grams", "must be 0 to %d", maxGrams)
	}
	if v.Image != "" {
		bad.url(at+"image", v.Image)
	}
	for _, o := range options {
		value := v.Options[o.Name]
		before := value
		if bad.text(at+"options."+o.Name, &value, 1, 100); value != before {
			v.Options[o.Name] = value
		}
	}
	if len(v.Options) > len(options) {
		bad.add(at+"options", "has names that are no options of the product")
	}
	return bad
}

func (p *problems) price(at string, m money.Money) {
	if !money.Known(m.Currency) {
		p.add(at+".currency", "is not a currency this shop knows")
	}
	if m.Amount < 0 || m.Amount > maxPrice {
		p.add(at+".amount", "must be 0 to %d", maxPrice)
	}
}

func (p *problems) url(at, s string) {
	u, err := url.Parse(s)
	absolute := err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
	local := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//")
	if len(s) > 2000 || !absolute && !local {
		p.add(at, "must be an http or https address, or a path of this shop, of at most 2000 bytes")
	}
}

func (i *Image) check(at string) (bad problems) {
	bad.url(at+"url", i.URL)
	bad.text(at+"alt", &i.Alt, 0, 500)
	return bad
}

// Check tidies a product and gives the invalid-request fault that names what is wrong below root, such as
// "body." (rule 2). SKUs may be missing; a missing handle is made of the title.
func (p *Product) Check(root string) error { return p.check().err(root) }

func (p *Product) check() (bad problems) {
	if p.Handle == "" {
		p.Handle = Slug(p.Title)
	}
	bad = p.checkFields()
	if n := len(p.Variants); n < 1 || n > MaxVariants {
		bad.add("variants", "must be 1 to %d", MaxVariants)
		return bad
	}
	if len(p.Images) > MaxImages {
		bad.add("images", "are at most %d", MaxImages)
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

// checkVariant checks variant i by itself and against those before it.
func (p *Product) checkVariant(i int) problems {
	v, at := &p.Variants[i], fmt.Sprintf("variants[%d].", i)
	bad := v.check(at, p.Options)
	for _, o := range p.Options {
		if len(o.Values) > 0 && !slices.Contains(o.Values, v.Options[o.Name]) {
			bad.add(at+"options."+o.Name, "is not one of the option's values")
		}
	}
	for _, e := range p.Variants[:i] {
		if e.SKU != "" && e.SKU == v.SKU {
			bad.add(at+"sku", "stands there twice")
		}
		if e.optionKey(p.Options) == v.optionKey(p.Options) {
			bad.add(at+"options", "are those of another variant")
		}
		if e.Price.Currency != v.Price.Currency {
			bad.add(at+"price.currency", "differs from the other variants'")
		}
	}
	return bad
}

// fillOptions gives options that came without values those of the variants.
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
