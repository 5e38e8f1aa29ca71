// Package shopify reads product exports of Shopify: CSV files in which a product is a run of rows with the same handle.
// The first row describes the product; each row adds a variant, an image, or both.
//
// A Reader reads one product at a time, so its memory does not grow with the file. It reports a wrong row with its line
// and leaves it out.
package shopify

import (
	"io"
	"strings"

	"haberdash/apps/catalog/internal/imports"
	"haberdash/apps/catalog/internal/names"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// maxQuantity bounds the quantity of one variant.
const maxQuantity = 1_000_000

// maxRows bounds the rows of one product that are read at once: more than the variants and images that it may have.
const maxRows = 200

// FileError says why a file is no product export of Shopify.
type FileError string

// Error implements error.
func (e FileError) Error() string { return "the file " + string(e) }

// Reader reads the products of an export. It is not safe for concurrent use.
type Reader struct {
	records  *records
	columns  columns
	width    int
	currency string
	sanitise func(html string) string
	ahead    *row // the first row of the next product
}

// NewReader reads the header of an export. currency is that of all prices; sanitise makes HTML harmless. Errors: a
// FileError if the header lacks the columns of an export, and an invalid-request fault (422) for an unknown currency.
func NewReader(r io.Reader, currency string, sanitise func(html string) string) (*Reader, error) {
	if !money.Known(currency) {
		return nil, fault.BadField("currency", "is not a currency this shop knows")
	}
	s := &Reader{records: newRecords(r), currency: currency, sanitise: sanitise}
	header, err := s.records.next()
	if err == io.EOF {
		return nil, FileError("is empty")
	}
	if err != nil {
		return nil, err
	}
	s.width = len(header.fields)
	s.columns, err = readHeader(header.fields)
	return s, err
}

// Next reads the next product and the rows that are wrong. The item is nil if no row that was read is right. It returns
// io.EOF at the end of the file, and other errors as the file's reader returns them.
func (s *Reader) Next() (item *imports.Item, wrong []imports.RowError, err error) {
	for {
		r, err := s.nextRow()
		if err == io.EOF && (item != nil || wrong != nil) {
			return item, wrong, nil
		}
		if err != nil {
			return nil, wrong, err
		}
		handle, reason := s.handle(r)
		if reason != "" {
			wrong = append(wrong, imports.RowError{Line: r.line, Handle: handle, Reason: reason})
			if len(wrong) >= maxRows { // the file may have nothing but wrong rows
				return item, wrong, nil
			}
			continue
		}
		if item != nil && item.Handle != handle {
			s.ahead = r
			return item, wrong, nil
		}
		if item == nil {
			item = &imports.Item{Line: r.line, Handle: handle}
		}
		s.addRow(item, r)
		if len(r.wrong) > 0 {
			wrong = append(wrong, imports.RowError{Line: r.line, Handle: handle, Reason: strings.Join(r.wrong, "; ")})
			item.Reported = true
		}
		if len(item.Variants)+len(item.Images) >= maxRows || len(wrong) >= maxRows {
			return item, wrong, nil
		}
	}
}

// nextRow returns the row that was read ahead, or reads the next.
func (s *Reader) nextRow() (*row, error) {
	if r := s.ahead; r != nil {
		s.ahead = nil
		return r, nil
	}
	record, err := s.records.next()
	if err != nil {
		return nil, err
	}
	return &row{columns: s.columns, record: record, currency: s.currency}, nil
}

// handle finds the product that a row belongs to, or says why the row cannot be used at all.
func (s *Reader) handle(r *row) (handle, reason string) {
	if r.broken != "" {
		text, _, _ := strings.Cut(r.text, ",")
		if strings.ContainsAny(text, "\"\r\n") || len(text) > 255 {
			text = ""
		}
		return text, r.broken
	}
	handle = names.CleanHandle(r.get("handle"))
	switch {
	case r.get("handle") == "":
		return "", "Handle: is missing"
	case handle == "":
		return r.get("handle"), "Handle: has neither letter nor digit"
	case r.hasSurplus(s.width):
		return handle, "the row has more fields than the header"
	}
	return handle, ""
}

// addRow adds a row to its product. The fields of the product count even if the row's variant is wrong.
func (s *Reader) addRow(item *imports.Item, r *row) {
	if item.Fields == nil && r.get("title") != "" {
		item.Fields = s.fields(item, r)
	}
	if item.OptionNames == nil {
		item.OptionNames = optionNames(r)
	}
	variant, image := variantOf(item, r), r.get("image src")
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
		added := product.Image{URL: image, Alt: r.get("image alt text")}
		item.Images = append(item.Images, imports.ImageRow{Line: r.line, Image: added})
	}
}

// categoryColumns are the columns that may have a path of categories.
var categoryColumns = []string{
	"type", "custom product type", "product category", "google shopping / google product category",
}

func (s *Reader) fields(item *imports.Item, r *row) *imports.Fields {
	f := &imports.Fields{
		Title: r.get("title"), Description: s.sanitise(r.get("body (html)")), Brand: r.get("vendor"), Status: product.Active,
	}
	for _, tag := range strings.Split(r.get("tags"), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			f.Tags = append(f.Tags, tag)
		}
	}
	for _, column := range categoryColumns {
		path := categoryPath(r.get(column))
		item.Categories = append(item.Categories, path...)
		if len(path) > 0 {
			f.Categories = append(f.Categories, path[len(path)-1].Handle)
		}
	}
	if !r.boolean("published", true) {
		f.Status = product.Draft // also if the word is not understood: nothing that is not ready goes on sale
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

// optionNames reads the option names of a product's first row. They are nil if the row has none, and empty for a
// product without options, which Shopify writes as the option Title with the value Default Title.
func optionNames(r *row) []string {
	var list []string
	for _, column := range []string{"option1 name", "option2 name", "option3 name"} {
		if name := r.get(column); name != "" {
			list = append(list, name)
		}
	}
	if len(list) == 1 && list[0] == "Title" && r.get("option1 value") == "Default Title" {
		return []string{}
	}
	return list
}

// variantOf reads the variant of a row. It returns nil if the row has none.
func variantOf(item *imports.Item, r *row) *imports.VariantRow {
	price := r.price("variant price")
	sku := strings.TrimPrefix(r.get("variant sku"), "'") // the apostrophe marks a text for spreadsheets
	if price == nil && sku == "" && r.get("option1 value") == "" {
		return nil
	}
	v := &imports.VariantRow{
		Line: r.line, SKU: sku, Barcode: strings.TrimPrefix(r.get("variant barcode"), "'"), Image: r.get("variant image"),
		Taxable: r.boolean("variant taxable", true), RequiresShipping: r.boolean("variant requires shipping", true),
		Quantity: r.integer("variant inventory qty", maxQuantity),
	}
	if price == nil {
		r.fail("variant price", "is missing")
	} else {
		v.Price = *price
	}
	if was := r.price("variant compare at price"); was != nil && was.Amount > 0 {
		v.CompareAt = was
	}
	if grams := r.integer("variant grams", 100_000_000); grams != nil {
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
