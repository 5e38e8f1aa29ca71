// Package shopify reads product exports of Shopify: CSV files in which a product is a run of rows with
// the same handle. The first row tells of the product; each row adds a variant, an image, or both.
//
// It reads one product at a time, so memory does not grow with the file. Wrong rows are reported with
// their line and left out; all others count.
package shopify

import (
	"io"
	"strings"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// maxQuantity is the most that one variant may have on the shelf.
const maxQuantity = 1_000_000

// maxRows bounds the rows of one product that are kept: more than variants and images it may have.
const maxRows = 200

// Reader reads the products of an export.
type Reader struct {
	records  *records
	columns  columns
	width    int
	currency string
	clean    func(html string) string
	ahead    *row // the first row of the next product
}

// NewReader reads the header. currency is that of all prices; clean makes HTML harmless. A header
// without the columns of an export, and an unknown currency, are invalid-request faults (422).
func NewReader(r io.Reader, currency string, clean func(string) string) (*Reader, error) {
	if !money.Known(currency) {
		return nil, fault.BadField("query.currency", "is not a currency this shop knows")
	}
	s := &Reader{records: newRecords(r), currency: currency, clean: clean}
	header, err := s.records.next()
	if err == io.EOF {
		return nil, fault.BadField("body", "is empty")
	}
	if err != nil {
		return nil, err
	}
	s.width = len(header.fields)
	s.columns, err = readHeader(header.fields)
	return s, err
}

// Next reads the next product and the rows that are wrong; the item is nil if none of the rows
// read is right. io.EOF at the end; other errors are the source's.
func (s *Reader) Next() (item *product.Item, wrong []product.RowError, err error) {
	for {
		r := s.ahead
		s.ahead = nil
		if r == nil {
			rec, err := s.records.next()
			if err == io.EOF && (item != nil || wrong != nil) {
				return item, wrong, nil
			}
			if err != nil {
				return nil, wrong, err
			}
			r = &row{columns: s.columns, record: rec, currency: s.currency}
		}
		handle, reason := s.handle(r)
		if reason != "" {
			wrong = append(wrong, product.RowError{Line: r.line, Handle: handle, Reason: reason})
			if len(wrong) >= maxRows { // a file of nothing but broken rows
				return item, wrong, nil
			}
			continue
		}
		if item != nil && item.Handle != handle {
			s.ahead = r
			return item, wrong, nil
		}
		if item == nil {
			item = &product.Item{Line: r.line, Handle: handle}
		}
		s.take(item, r)
		if len(r.wrong) > 0 {
			wrong = append(wrong, product.RowError{Line: r.line, Handle: handle, Reason: strings.Join(r.wrong, "; ")})
			item.Reported = true
		}
		if len(item.Variants)+len(item.Images) >= maxRows || len(wrong) >= maxRows {
			return item, wrong, nil
		}
	}
}

// handle finds the product a row belongs to, or says why the row cannot be used at all.
func (s *Reader) handle(r *row) (handle, reason string) {
	if r.broken != "" {
		text, _, _ := strings.Cut(r.text, ",")
		if strings.ContainsAny(text, "\"\r\n") || len(text) > 255 {
			text = ""
		}
		return text, r.broken
	}
	handle = product.CleanHandle(r.get("handle"))
	switch {
	case r.get("handle") == "":
		return "", "Handle: is missing"
	case handle == "":
		return r.get("handle"), "Handle: has neither letter nor digit"
	case r.surplus(s.width):
		return handle, "the row has more fields than the header"
	}
	return handle, ""
}

// take adds a row to its product. What the row says of the product counts even if its variant is wrong.
func (s *Reader) take(item *product.Item, r *row) {
	if item.Fields == nil && r.get("title") != "" {
		item.Fields = s.fields(item, r)
	}
	if item.OptionNames == nil {
		item.OptionNames = optionNames(r)
	}
	variant, image := s.variant(item, r), r.get("image src")
	if variant == nil && image == "" && r.get("title") == "" && len(r.wrong) == 0 {
		r.wrong = append(r.wrong, "the row has neither variant nor image")
	}
	if len(r.wrong) > 0 {
		return
	}
	if variant != nil {
		item.Variants = append(item.Variants, *variant)
	}
	if image != "" {
		item.Images = append(item.Images, product.ImageRow{Line: r.line, Image: product.Image{URL: image, Alt: r.get("image alt text")}})
	}
}

func (s *Reader) fields(item *product.Item, r *row) *product.Fields {
	f := &product.Fields{Title: r.get("title"), Description: s.clean(r.get("body (html)")), Brand: r.get("vendor"), Status: product.Active}
	for _, tag := range strings.Split(r.get("tags"), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			f.Tags = append(f.Tags, tag)
		}
	}
	for _, column := range []string{"type", "custom product type", "product category", "google shopping / google product category"} {
		chain := categoryPath(r.get(column))
		item.Categories = append(item.Categories, chain...)
		if len(chain) > 0 {
			f.Categories = append(f.Categories, chain[len(chain)-1].Handle)
		}
	}
	if !r.yes("published", true) {
		f.Status = product.Draft // also where the word is not understood: nothing unready goes on sale
	}
	switch status := strings.ToLower(r.get("status")); status {
	case "", product.Active:
	case product.Draft, product.Archived:
		f.Status = status
	default:
		r.fail("status", "must be active, draft or archived")
		f.Status = product.Draft
	}
	return f
}

// optionNames of a product's first row; nil if the row has none, empty for a product without options,
// which Shopify writes as the option Title with the value Default Title.
func optionNames(r *row) []string {
	var names []string
	for _, column := range []string{"option1 name", "option2 name", "option3 name"} {
		if name := r.get(column); name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 1 && names[0] == "Title" && r.get("option1 value") == "Default Title" {
		return []string{}
	}
	return names
}

// variant reads a row's variant; nil if it has none.
func (s *Reader) variant(item *product.Item, r *row) *product.VariantRow {
	price := r.price("variant price")
	sku := strings.TrimPrefix(r.get("variant sku"), "'") // the apostrophe keeps spreadsheets from counting
	if price == nil && sku == "" && r.get("option1 value") == "" {
		return nil
	}
	v := &product.VariantRow{
		Line: r.line, SKU: sku, Barcode: strings.TrimPrefix(r.get("variant barcode"), "'"), Image: r.get("variant image"),
		Taxable: r.yes("variant taxable", true), RequiresShipping: r.yes("variant requires shipping", true),
		Quantity: r.whole("variant inventory qty", maxQuantity),
	}
	if price == nil {
		r.fail("variant price", "is missing")
	} else {
		v.Price = *price
	}
	if was := r.price("variant compare at price"); was != nil && was.Amount > 0 {
		v.CompareAt = was
	}
	if grams := r.whole("variant grams", 100_000_000); grams != nil {
		v.Grams = *grams
	}
	for _, column := range []string{"option1 value", "option2 value", "option3 value"} {
		v.Values = append(v.Values, r.get(column))
	}
	if len(item.OptionNames) == 0 && v.Values[0] == "Default Title" {
		v.Values = nil
	}
	return v
}
