package shopify

import (
	"fmt"
	"strconv"
	"strings"

	"haberdash/apps/catalog/internal/names"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

// aliases maps the column names of newer exports, in lower case, to those of older ones.
var aliases = map[string]string{
	"url handle": "handle", "description": "body (html)", "sku": "variant sku", "barcode": "variant barcode",
	"price": "variant price", "compare-at price": "variant compare at price", "charge tax": "variant taxable",
	"weight value (grams)": "variant grams", "inventory quantity": "variant inventory qty",
	"requires shipping": "variant requires shipping", "published on online store": "published",
	"product image url": "image src", "variant image url": "variant image",
}

// columns maps column names to positions. The order of columns does not matter, and unknown columns are ignored.
type columns map[string]int

func readHeader(fields []string) (columns, error) {
	c := columns{}
	for i, name := range fields {
		name = strings.ToLower(strings.TrimSpace(name))
		if a, ok := aliases[name]; ok {
			name = a
		}
		if _, twice := c[name]; !twice {
			c[name] = i
		}
	}
	for _, name := range []string{"handle", "title", "variant price"} {
		if _, ok := c[name]; !ok {
			return nil, FileError(fmt.Sprintf("is no product export of Shopify: the first line has no column %q", name))
		}
	}
	return c, nil
}

// row is a record whose fields are found by the names of their columns.
type row struct {
	columns
	record
	currency string
	wrong    []string // what is wrong with the row
}

// get is the field of a column without space around it. It is empty if there is none.
func (r *row) get(name string) string {
	if i, ok := r.columns[name]; ok && i < len(r.fields) {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}

// hasSurplus tells whether there is text beyond the header's last column: then a quote or a comma is in the wrong
// place.
func (r *row) hasSurplus(width int) bool {
	return len(r.fields) > width && strings.TrimSpace(strings.Join(r.fields[width:], "")) != ""
}

func (r *row) fail(column, message string) {
	r.wrong = append(r.wrong, display(column)+": "+message)
}

// display writes the name of a column as the header of an export does.
func display(column string) string {
	words := strings.Fields(column)
	for i, w := range words {
		if w == "sku" {
			words[i] = "SKU"
		} else {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// price reads a decimal amount. It returns nil for an empty field.
func (r *row) price(column string) *money.Money {
	text := r.get(column)
	if text == "" {
		return nil
	}
	m, err := money.Parse(text, r.currency)
	switch {
	case err != nil:
		r.fail(column, fmt.Sprintf("%.40q is not a decimal amount in %s", text, r.currency))
	case m.Amount < 0:
		r.fail(column, "is negative")
	}
	return &m
}

// integer reads an integer from 0 to limit, which may be written as "1500.0". It returns nil for an empty field.
func (r *row) integer(column string, limit int64) *int64 {
	text := r.get(column)
	if text == "" {
		return nil
	}
	digits, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil && strings.Contains(err.Error(), "range"), err == nil && (n < 0 || n > limit):
		r.fail(column, fmt.Sprintf("must be 0 to %d", limit))
	case err != nil || strings.Trim(fraction, "0") != "":
		r.fail(column, fmt.Sprintf("%.40q is not a whole number", text))
	}
	return &n
}

// boolean reads true or false. An empty field is absent.
func (r *row) boolean(column string, absent bool) bool {
	switch text := r.get(column); strings.ToLower(text) {
	case "":
		return absent
	case "true":
		return true
	case "false":
		return false
	default:
		r.fail(column, fmt.Sprintf("%.40q is neither true nor false", text))
		return false
	}
}

// categoryPath makes categories of "Apparel > Shirts", parents first. Their handles are made of the whole path, so that
// equal names below different parents stay different. A number, Google's other form, has no name and makes no category.
func categoryPath(path string) []product.Category {
	if strings.Trim(path, "0123456789") == "" {
		return nil
	}
	var categories []product.Category
	parent, whole := "", ""
	for _, name := range strings.Split(path, ">") {
		if name = strings.TrimSpace(name); name == "" || len(categories) == 8 {
			continue
		}
		whole = strings.TrimSpace(whole + " " + name)
		handle := names.Slug(whole)
		if handle == "" || handle == parent {
			continue
		}
		categories = append(categories, product.Category{Handle: handle, Name: name, Parent: parent})
		parent = handle
	}
	return categories
}
