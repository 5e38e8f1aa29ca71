// Package stock defines the values that the log of a stock location stores, how many of each SKU are there and how many
// of them are held for orders, and the events that change them. Package ledger has the commands of one location, and
// package allocation serves an order from several.
//
// Rules of the stock (each has a test of its number, in ledger or allocation):
//
//  1. 0 ≤ reserved ≤ onHand, always. Nothing is sold that is not there.
//  2. A reservation holds all of its lines or none. Lines of one SKU are summed.
//  3. An order has one reservation: a repetition returns what is held.
//  4. A released reservation cannot be made again: a late repetition finds it released.
//  5. A committed reservation is only freed by a release or a shipment, not by the clock.
//  6. A shipment takes lines out of the stock and out of the reservation, once per shipment id, and never more than is
//     still reserved.
//  7. An adjustment applies once per idempotency id and never takes reserved stock. The id belongs to one request:
//     another request with it is refused.
//  8. A return puts back no more than was shipped, once per return id.
//  9. Several locations serve an order in a fixed order. Each holds what it has of what the order still needs, and the
//     last holds the rest or the order is refused. A repetition holds nothing more, even after an interruption, and
//     returns the same refusal.
package stock

import (
	"encoding/json"
	"hash/fnv"
	"strconv"
	"time"

	"haberdash/internal/contract"
)

// MaxQuantity bounds a line, a change and a level, far from where sums of int64 could overflow.
const MaxQuantity = 1_000_000_000

// Level is the stock of a SKU at one location.
type Level struct {
	OnHand   int64 `json:"onHand"`
	Reserved int64 `json:"reserved"`
}

// Available is how many can still be sold.
func (l Level) Available() int64 { return l.OnHand - l.Reserved }

// Statuses of a hold.
const (
	Held      = "held"      // the order is not decided yet
	Committed = "committed" // the order is confirmed
	Released  = "released"  // the order was rejected or cancelled
)

// Hold is the reservation of an order at one location, or at all of them: the stored form of contract.Reservation.
type Hold struct {
	Status    string                    `json:"status,omitempty"`
	Lines     map[string]int64          `json:"lines,omitempty"` // still reserved, by SKU
	Shipped   map[string]int64          `json:"shipped,omitempty"`
	Rest      map[string]int64          `json:"rest,omitempty"`  // what the locations after this one must hold
	Short     []contract.OutOfStockLine `json:"short,omitempty"` // why the last location refused the order for good
	ExpiresAt time.Time                 `json:"expiresAt,omitzero"`

	// Done has the shipments and returns that were applied, with their lines: see ShipmentKey and ReturnKey.
	Done map[string]map[string]int64 `json:"done,omitempty"`
}

// Receipt is what is stored of an adjustment under its id.
type Receipt struct {
	Fingerprint string           `json:"fingerprint,omitempty"` // of the request
	Levels      map[string]Level `json:"levels,omitempty"`      // by SKU, after the adjustment
	Note        json.RawMessage  `json:"note,omitempty"`        // of the caller, for the answer to a repetition
	Replayed    bool             `json:"-"`                     // this is the answer to a repetition
}

// State is any aggregate of a stock log: a level, a hold, a part of the index of undecided holds, or the receipt of an
// adjustment.
type State struct {
	Level
	Hold      *Hold                `json:"hold,omitempty"`
	Undecided map[string]time.Time `json:"undecided,omitempty"` // order → when its hold expires
	Receipt   *Receipt             `json:"receipt,omitempty"`
}

// SKUID is the aggregate of a SKU's level.
func SKUID(sku string) string { return "sku/" + sku }

// HoldID is the aggregate of an order's hold.
func HoldID(order string) string { return "hold/" + order }

// AdjustmentID is the aggregate of an adjustment's receipt.
func AdjustmentID(id string) string { return "adjustment/" + id }

// UndecidedParts is how many aggregates share the index of undecided holds: each reservation copies its part.
const UndecidedParts = 64

// UndecidedID is the part of the index that has an order.
func UndecidedID(order string) string {
	h := fnv.New32a()
	h.Write([]byte(order))
	return UndecidedPart(h.Sum32() % UndecidedParts)
}

// UndecidedPart is the aggregate of a part of the index, from 0 to UndecidedParts - 1.
func UndecidedPart(n uint32) string { return "undecided/" + strconv.FormatUint(uint64(n), 10) }

// ShipmentKey is the key of a shipment in Hold.Done.
func ShipmentKey(id string) string { return "shipment/" + id }

// ReturnKey is the key of a return in Hold.Done.
func ReturnKey(id string) string { return "return/" + id }
