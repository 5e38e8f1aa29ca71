// Package ledger has the commands and queries of one stock location, on its log. Package stock has the rules.
package ledger

import (
	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Ledger is the stock of one location. It is safe for concurrent use, also by several processes. Each command is
// atomic, and a repetition of it changes nothing.
type Ledger struct {
	log      *commitlog.Partition[stock.State]
	location string
}

// New makes the ledger of a location on its open log.
func New(log *commitlog.Partition[stock.State], location string) *Ledger {
	return &Ledger{log, location}
}

// Location is the name of the location.
func (l *Ledger) Location() string { return l.location }

type transaction = commitlog.Tx[stock.State]

// ErrKeyReused refuses an idempotency id that belongs to another request (rule 7).
var ErrKeyReused = fault.New(fault.Invalid, "idempotency-key-reused",
	"This Idempotency-Key was used for another request.")

// OutOfStock refuses a reservation (409): lines say what is available.
func OutOfStock(lines []contract.OutOfStockLine) error {
	return fault.New(fault.Conflict, "out-of-stock", "There is not enough in stock.").With("lines", lines)
}

// InvalidTransition refuses a command that the status of the order's hold does not allow (409).
func InvalidTransition(detail string, h stock.Hold) error {
	return fault.New(fault.Conflict, "invalid-transition", "%s", detail).With("holdStatus", h.Status)
}

// TooMany refuses a shipment or return of more than the order has left (422).
func TooMany(sku string, left int64) error {
	return fault.New(fault.Invalid, "invalid-quantity", "The order has only %d of %s left for that.", left, sku).
		WithField("lines", "quantity out of range")
}
