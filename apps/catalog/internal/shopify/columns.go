package shopify

import (
	"fmt"
	"strconv"
	"strings"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

// aliases are the names that newer exports give to columns, in lower case.
var aliases = map[string]string{
	"url handle": "handle", "description": "body (html)", "sku": "variant sku", "barcode": "variant barcode",
	"price": "variant price", "compare-at price": "variant compare at price", "charge tax": "variant taxable",
	"weight value (grams)": "variant grams", "inventory quantity": "variant inventory qty",
	"requires shipping": "variant requires shipping", "published on online store": "published",
	"product image url": "image src", "variant image url": "variant image",
}

// columns finds fields by the header's names, whatever their order; unknown columns are ignored.
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
			return nil, fault.BadField("body", fmt.Sprintf("is no product export of Shopify: the first line has no column %q", name))
		}
	}
	return c, nil
}

// row is one record with its columns.
type row struct {
	columns
	record
	currency string
	wrong    []string // what is wrong with it
}

// get is the field of a column, without space around it; empty if there is none.
func (r *row) get(name string) string {
	if i, ok := r.columns[name]; ok && i < len(r.fields) {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}

// surplus reports text beyond the header's last column: a quote or comma has gone astray.
func (r *row) surplus(width int) bool {
	return len(r.fields) > width && strings.TrimSpace(strings.Join(r.fields[width:], "")) != ""
}

func (r *row) fail(column, message string) {
	r.wrong = append(r.wrong, display(column)+": "+message)
}

// display writes a column's name as the header of an export does.
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

// price reads a decimal amount; nil if the field is empty.
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

// whole reads an integer from 0 to max; nil if the field is empty. "1500.0" counts as whole.
func (r *row) whole(column string, max int64) *int64 {
	text := r.get(column)
	if text == "" {
		return nil
	}
	digits, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil && strings.Contains(err.Error(), "range"), err == nil && (n < 0 || n > max):
		r.fail(column, fmt.Sprintf("must be 0 to %d", max))
	case err != nil || strings.Trim(fraction, "0") != "":
		r.fail(column, fmt.Sprintf("%.40q is not a whole number", text))
	}
	return &n
}

// yes reads true or false; empty is what the caller says.
func (r *row) yes(column string, empty bool) bool {
	switch text := r.get(column); strings.ToLower(text) {
	case "":
		return empty
	case "true":
		return true
	case "false":
		return false
	default:
		r.fail(column, fmt.Sprintf("%.40q is neither true nor false", text))
		return false
	}
}

// categoryPath makes categories of "Apparel > Shirts", parents first. Handles are made of the whole path,
// so that equal names in different places stay apart. A bare number, Google's other way to say it,
// names nothing.
func categoryPath(path string) []product.Category {
	if strings.Trim(path, "0123456789") == "" {
		return nil
	}
	var chain []product.Category
	parent, whole := "", ""
	for _, name := range strings.Split(path, ">") {
		if name = strings.TrimSpace(name); name == "" || len(chain) == 8 {
			continue
		}
		whole = strings.TrimSpace(whole + " " + name)
		handle := product.Slug(whole)
		if handle == "" || handle == parent {
			continue
		}
		chain = append(chain, product.Category{Handle: handle, Name: name, Parent: parent})
		parent = handle
	}
	return chain
}
