package service

import (
	"github.com/rs/zerolog"

	"haberdash/apps/catalog/internal/product"
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/host"
	"haberdash/internal/roster"
	"haberdash/internal/telemetry/field"
)

// logProducts logs changes of products and categories.
var logProducts = host.LogDecisions(roster.CatalogLog, map[string]host.Describe{
	product.Created: nil, product.Updated: nil, product.Deleted: nil,
	product.CategoryCreated: nil, product.CategoryUpdated: nil, product.CategoryDeleted: nil,
})

// stockDecisions are the changes of stock that are logged.
var stockDecisions = map[string]host.Describe{
	stock.Received: describeMovement, stock.Adjusted: describeMovement, stock.Reserved: describeMovement,
	stock.Freed: describeMovement, stock.Shipped: describeMovement, stock.Returned: describeMovement,
}

// describeMovement leaves out the reason, which a person has written.
func describeMovement(line *zerolog.Event, e commitlog.Event) {
	var m stock.Movement
	if e.Decode(&m) == nil && m.Order != "" {
		line.Str(field.Order, m.Order)
	}
}
