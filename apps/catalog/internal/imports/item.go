// Package imports defines the items of an import of products, and merges rows of a file into a product: rules 4 and 5
// of package product. Package catalog commits the result.
package imports

import (
	"slices"
	"strings"
	"unicode"

	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/money"
)

// Item is one product of an import. Either Whole is set, with Counts, or the fields below: rows that are merged into
// the product with the handle.
type Item struct {
	Line     int // of the file, for the report
	Handle   string
	Reported bool // some of its rows were wrong, and are in the report already

	Whole  *product.Product // replaces the product with its handle
	Counts map[string]int64 // quantity in stock by SKU

	Fields      *Fields // nil: the rows say nothing about the product itself
	OptionNames []string
	Variants    []VariantRow
	Images      []ImageRow

	// Categories that are created if they do not exist, parents first.
	Categories []product.Category
}

// Fields are what the first row of an import says about the product itself.
type Fields struct {
	Title, Description, Brand, Status string
	Categories, Tags                  []string
}

// VariantRow is a variant in an import.
type VariantRow struct {
	Line             int
	SKU              string   // empty: it is derived
	Values           []string // of the options, in their order
	Price            money.Money
	CompareAt        *money.Money
	Barcode, Image   string
	Grams            int64
	Taxable          bool
	RequiresShipping bool
	Quantity         *int64 // in stock when the file was written; nil: not counted
}

// ImageRow is an image in an import.
type ImageRow struct {
	Line int
	product.Image
}

// RowError is a row that was left out, and why.
type RowError struct {
	Line   int    `json:"line"`
	Handle string `json:"handle"`
	Reason string `json:"reason"`
}

// NeededCategories lists the categories that an item needs, parents first: those that it describes, then those that its
// product names.
func (it Item) NeededCategories() []product.Category {
	all := slices.Clone(it.Categories)
	if it.Whole == nil {
		return all
	}
	described := map[string]bool{}
	for _, c := range all {
		described[c.Handle] = true
	}
	for _, handle := range it.Whole.Categories {
		if !described[handle] {
			all = append(all, product.Category{Handle: handle, Name: categoryName(handle)})
		}
	}
	return all
}

// categoryName makes a name of the handle of a category that an import mentions without a name.
func categoryName(handle string) string {
	words := strings.FieldsFunc(handle, func(r rune) bool { return r == '-' || r == '_' })
	if len(words) == 0 {
		return handle
	}
	name := []rune(strings.Join(words, " "))
	name[0] = unicode.ToUpper(name[0])
	return string(name)
}
