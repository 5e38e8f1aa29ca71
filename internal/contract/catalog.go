package contract

import (
	"time"

	"haberdash/internal/money"
)

// Types of the events on TopicCatalog. The aggregate of a product is its id, that of a category "category/<handle>".
// The data is the whole ProductFact or CategoryFact, and that of a deletion is the deleted one.
const (
	ProductCreated  = "product.created"
	ProductUpdated  = "product.updated"
	ProductDeleted  = "product.deleted"
	CategoryCreated = "category.created"
	CategoryUpdated = "category.updated"
	CategoryDeleted = "category.deleted"
)

type (
	// ProductFact is the data of a product in events: an article in one or more variants.
	ProductFact struct {
		ID          string           `json:"id"`
		Handle      string           `json:"handle"`
		Title       string           `json:"title"`
		Description string           `json:"description,omitempty"` // HTML, sanitised
		Brand       string           `json:"brand,omitempty"`
		Categories  []string         `json:"categories,omitempty"` // handles
		Tags        []string         `json:"tags,omitempty"`
		Options     []ProductOption  `json:"options,omitempty"`
		Variants    []ProductVariant `json:"variants"`
		Images      []ProductImage   `json:"images,omitempty"`
		Status      string           `json:"status" enum:"active,draft,archived"` // customers see only active products
		// Only deletions have these times. Otherwise they are the times of the product's first and last event.
		CreatedAt time.Time `json:"createdAt,omitzero"`
		UpdatedAt time.Time `json:"updatedAt,omitzero"`
	}
	// ProductOption is a property in which variants differ, such as Size.
	ProductOption struct {
		Name   string   `json:"name"`
		Values []string `json:"values"`
	}
	// ProductVariant is what customers put into a cart.
	ProductVariant struct {
		SKU              string            `json:"sku"`
		Title            string            `json:"title,omitempty"`   // empty: made of the options
		Options          map[string]string `json:"options,omitempty"` // option name → value
		Price            money.Money       `json:"price"`
		CompareAt        *money.Money      `json:"compareAtPrice,omitempty"` // the price before a reduction
		Barcode          string            `json:"barcode,omitempty"`
		Grams            int64             `json:"grams,omitempty"`
		Taxable          bool              `json:"taxable"`
		RequiresShipping bool              `json:"requiresShipping"`
		Image            string            `json:"image,omitempty"` // URL; empty: the first image of the product
	}
	// ProductImage is a picture of a product.
	ProductImage struct {
		URL string `json:"url"` // absolute http(s), or a path on the storefront's host
		Alt string `json:"alt,omitempty"`
	}
	// CategoryFact is the data of a category in events: a node of the tree by which products are sorted.
	CategoryFact struct {
		Handle string `json:"handle"`
		Name   string `json:"name"`
		Parent string `json:"parent,omitempty"` // handle; empty at the top of the tree
	}
)
