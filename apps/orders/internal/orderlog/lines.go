package orderlog

import (
	"fmt"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/share"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
)

// maxQuantity bounds a line, far from where sums could overflow.
const maxQuantity = 1_000_000_000

// The parts of an order are bounded, so that its document stays far smaller than sidecar.MaxValue (rule 13). The parts
// that the payment provider has refused count too.
const (
	maxFulfilments = 100
	maxReturns     = 50
	maxRefunds     = 50
	maxPartLines   = 1000 // of all fulfilments together, and of all returns
)

// checkRoom refuses another part of a kind, with more lines, if the order would have too many: too-many-parts (409).
func checkRoom(kind string, parts, maxParts, lines int) error {
	switch {
	case parts >= maxParts:
		return fault.New(fault.Conflict, "too-many-parts", "An order has at most %d %s.", maxParts, kind).
			With("maximum", maxParts)
	case lines > maxPartLines:
		return fault.New(fault.Conflict, "too-many-parts", "The %s of an order have at most %d lines together.",
			kind, maxPartLines).WithField("lines", "too many with those before").With("maximum", maxPartLines)
	}
	return nil
}

// requestedPart is a part that a request asks for, and the first line of the request that has its SKU.
type requestedPart struct {
	share.Part
	line int
}

// mergeLines sums the lines of a request by SKU, in the order in which the SKUs first appear. Problems: invalid-request
// (422) without lines, invalid-quantity (422).
func mergeLines(lines []contract.Line) (parts []requestedPart, err error) {
	if len(lines) == 0 {
		return nil, fault.BadField("lines", "expected at least one line")
	}
	at := map[string]int{}
	for i, l := range lines {
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			return nil, fault.New(fault.Invalid, "invalid-quantity", "Quantities are 1 to %d.", maxQuantity).
				WithField(fmt.Sprintf("lines[%d].quantity", i), "out of range")
		}
		j, seen := at[l.SKU]
		if !seen {
			at[l.SKU], parts = len(parts), append(parts, requestedPart{share.Part{SKU: l.SKU, Quantity: l.Quantity}, i})
			continue
		}
		parts[j].Quantity += l.Quantity
	}
	return parts, nil
}

// checkAvailable refuses a part whose SKU is not in the order, or of which fewer units are left.
func (p requestedPart) checkAvailable(lines map[string]share.Line, left int64) error {
	if _, sold := lines[p.SKU]; !sold {
		return fault.New(fault.Invalid, "unknown-sku", "The order has no such SKU.").
			WithField(fmt.Sprintf("lines[%d].sku", p.line), "is not in the order").With("sku", p.SKU)
	}
	if p.Quantity > left {
		return fault.New(fault.Invalid, "invalid-quantity", "The order has only %d of %s left for that.", left, p.SKU).
			WithField(fmt.Sprintf("lines[%d].quantity", p.line), "more than there is").With("sku", p.SKU).With("available", left)
	}
	return nil
}

// sameRequest refuses another request under the id of an existing fulfilment, return or refund (rule 10). Without a
// fingerprint, any request under the id is the same.
func sameRequest(existing, fingerprint string) error {
	if fingerprint == "" || fingerprint == existing {
		return nil
	}
	return order.KeyReused()
}
