// Package stock keeps the inventory: how many of each SKU stand at a location and how many of them are
// held for orders. It is event-sourced; this file has the rules, ledger.go the log.
//
// Rules (each has a test of its number):
//
//  1. 0 ≤ reserved ≤ onHand, always. Nothing is sold that is not there.
//  2. A reservation holds all of its lines or none; lines of one SKU are summed.
//  3. A reservation is made once per order: a repetition answers with what is held.
//  4. A reservation once released cannot be made again: a late repetition finds it released.
//  5. Committing keeps a reservation for good; committed ones are only freed by release or shipment.
//  6. Shipping takes lines off the shelf and out of the reservation, each shipment once, and never
//     more than is still reserved.
//  7. An adjustment applies once per idempotency id and never takes what is reserved. The id stands for
//     one request: with another one it is refused.
//  8. A return puts back at most what was shipped, each return once.
//  9. Several locations serve an order in a fixed order: each holds what it has of what is left, the last
//     all of the rest or the order is refused. A repetition holds nothing more, whatever was interrupted, and
//     of a refusal it gets the same.
package stock

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// Level is a SKU's inventory at the location of the log.
type Level struct {
	OnHand   int64 `json:"onHand"`
	Reserved int64 `json:"reserved"`
}

// Available is what can still be sold.
func (l Level) Available() int64 { return l.OnHand - l.Reserved }

// Statuses of a hold.
const (
	Held      = "held"      // the order is not decided yet
	Committed = "committed" // the order is confirmed
	Released  = "released"  // the order was rejected or cancelled
)

// Hold is the reservation of one order.
type Hold struct {
	Status    string                    `json:"status,omitempty"`
	Lines     map[string]int64          `json:"lines,omitempty"` // still reserved, by SKU
	Shipped   map[string]int64          `json:"shipped,omitempty"`
	Rest      map[string]int64          `json:"rest,omitempty"`  // what the locations after this one are to hold
	Short     []contract.OutOfStockLine `json:"short,omitempty"` // why it was never held, where that is the last location's to say
	ExpiresAt time.Time                 `json:"expiresAt,omitzero"`

	// Done has the shipments ("shipment/<id>") and returns ("return/<id>") that are applied, with their lines.
	Done map[string]map[string]int64 `json:"done,omitempty"`
}

// SKUs lists what is still reserved, sorted.
func (h Hold) SKUs() []string { return sorted(h.Lines) }

// Receipt is what is kept of an adjustment, under its id.
type Receipt struct {
	Fingerprint string           `json:"fingerprint,omitempty"` // of the request
	Levels      map[string]Level `json:"levels,omitempty"`      // by SKU, after it
	Note        json.RawMessage  `json:"note,omitempty"`
	Replayed    bool             `json:"-"` // it had been made before
}

// State is any aggregate of a stock log: a level ("sku/<SKU>"), a hold ("hold/<order>"), a part of the index
// of undecided holds ("undecided/<n>"), or the receipt of an adjustment that was made ("adjustment/<id>").
type State struct {
	Level
	Hold      *Hold                `json:"hold,omitempty"`
	Undecided map[string]time.Time `json:"undecided,omitempty"` // order → when to ask what became of it
	Receipt   *Receipt             `json:"receipt,omitempty"`
}

// Event types of the log.
const (
	Received   = "stock.received"  // data: move
	Adjusted   = "stock.adjusted"  // data: move
	Reserved   = "stock.reserved"  // data: move, on the SKU
	Freed      = "stock.released"  // data: move, on the SKU
	Shipped    = "stock.shipped"   // data: move, on the SKU
	Returned   = "stock.returned"  // data: move, on the SKU
	holdPlaced = "hold.placed"     // data: holdData
	holdKept   = "hold.committed"  // no data
	holdFreed  = "hold.released"   // data: holdData, of a refusal its lines
	holdSent   = "hold.shipped"    // data: holdData
	holdBack   = "hold.returned"   // data: holdData
	indexAdd   = "undecided.added" // data: holdData
	indexDrop  = "undecided.dropped"
	marked     = "adjustment.applied" // data: Receipt
)

// move is a change of one SKU's level.
type move struct {
	Quantity int64  `json:"quantity"` // signed for adjustments, else positive
	Order    string `json:"order,omitempty"`
	Reason   string `json:"reason,omitempty"`
	ID       string `json:"id,omitempty"`
}

type holdData struct {
	ID        string                    `json:"id,omitempty"`
	Lines     map[string]int64          `json:"lines,omitempty"`
	Rest      map[string]int64          `json:"rest,omitempty"`
	Short     []contract.OutOfStockLine `json:"short,omitempty"`
	ExpiresAt time.Time                 `json:"expiresAt,omitzero"`
	Order     string                    `json:"order,omitempty"`
}

func skuID(sku string) string       { return "sku/" + sku }
func holdID(order string) string    { return "hold/" + order }
func adjustmentID(id string) string { return "adjustment/" + id }

func shipmentID(id string) string { return "shipment/" + id }
func returnID(id string) string   { return "return/" + id }

// undecidedParts splits the index of undecided holds: each reservation copies its part.
const undecidedParts = 64

func undecidedID(order string) string {
	h := fnv.New32a()
	h.Write([]byte(order))
	return undecidedPart(h.Sum32() % undecidedParts)
}

func undecidedPart(n uint32) string { return "undecided/" + strconv.FormatUint(uint64(n), 10) }

// Model folds a stock log.
func Model() commitlog.Model[State] { return commitlog.Model[State]{Apply: apply} }

func apply(id string, s State, e commitlog.Event) (State, error) {
	switch {
	case strings.HasPrefix(id, "sku/"):
		return applyLevel(s, e)
	case strings.HasPrefix(id, "hold/"):
		return applyHold(s, e)
	case strings.HasPrefix(id, "undecided/"):
		return applyUndecided(s, e)
	case strings.HasPrefix(id, "adjustment/"):
		var r Receipt
		err := e.Decode(&r)
		return State{Receipt: &r}, err
	}
	return s, fmt.Errorf("unknown aggregate %s", id)
}

func applyLevel(s State, e commitlog.Event) (State, error) {
	var m move
	if err := e.Decode(&m); err != nil {
		return s, err
	}
	switch e.Type {
	case Received, Adjusted, Returned:
		s.OnHand += m.Quantity
	case Reserved:
		s.Level.Reserved += m.Quantity
	case Freed:
		s.Level.Reserved -= m.Quantity
	case Shipped:
		s.OnHand -= m.Quantity
		s.Level.Reserved -= m.Quantity
	default:
		return s, fmt.Errorf("unknown event %s", e.Type)
	}
	return s, nil
}

func applyHold(s State, e commitlog.Event) (State, error) {
	var d holdData
	if err := e.Decode(&d); err != nil {
		return s, err
	}
	h := Hold{}
	if s.Hold != nil {
		h = *s.Hold
	}
	switch e.Type {
	case holdPlaced:
		h.Status, h.Lines, h.Rest, h.ExpiresAt = Held, d.Lines, d.Rest, d.ExpiresAt
	case holdKept:
		h.Status = Committed
	case holdFreed:
		h.Status, h.Lines, h.Short = Released, nil, d.Short
	case holdSent:
		h.Lines, h.Shipped = sum(h.Lines, d.Lines, -1), sum(h.Shipped, d.Lines, 1)
		h.Done = with(h.Done, shipmentID(d.ID), d.Lines)
	case holdBack:
		h.Shipped = sum(h.Shipped, d.Lines, -1)
		h.Done = with(h.Done, returnID(d.ID), d.Lines)
	default:
		return s, fmt.Errorf("unknown event %s", e.Type)
	}
	return State{Hold: &h}, nil
}

func applyUndecided(s State, e commitlog.Event) (State, error) {
	var d holdData
	if err := e.Decode(&d); err != nil {
		return s, err
	}
	if e.Type == indexAdd {
		return State{Undecided: with(s.Undecided, d.Order, d.ExpiresAt)}, nil
	}
	next := maps.Clone(s.Undecided)
	delete(next, d.Order)
	if len(next) == 0 {
		next = nil // as JSON brings it back
	}
	return State{Undecided: next}, nil
}

// with is m and one more entry; m stays as it is.
func with[V any](m map[string]V, key string, value V) map[string]V {
	out := make(map[string]V, len(m)+1)
	maps.Copy(out, m)
	out[key] = value
	return out
}

// sum adds sign × b to a, without zeros; a stays as it is. It is nil rather than empty, as JSON brings it back.
func sum(a, b map[string]int64, sign int64) map[string]int64 {
	out := make(map[string]int64, len(a)+len(b))
	maps.Copy(out, a)
	for sku, n := range b {
		if out[sku] += sign * n; out[sku] == 0 {
			delete(out, sku)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// fold sums lines by SKU (rule 2). It refuses no lines at all, and quantities below one or so large that
// sums could overflow.
func fold(lines []contract.Line) (map[string]int64, []string, error) {
	if len(lines) == 0 {
		return nil, nil, fault.BadField("body.lines", "expected at least one line")
	}
	byID := make(map[string]int64, len(lines))
	for i, l := range lines {
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return nil, nil, fault.New(fault.Invalid, "invalid-quantity", "Quantities are 1 to %d.", MaxQuantity).
				WithField(fmt.Sprintf("body.lines[%d].quantity", i), "out of range")
		}
		byID[l.SKU] += l.Quantity
	}
	return byID, sorted(byID), nil
}

// MaxQuantity bounds a line, a change and a level, far from where int64 sums could overflow.
const MaxQuantity = 1_000_000_000

func sorted(lines map[string]int64) []string { return slices.Sorted(maps.Keys(lines)) }
