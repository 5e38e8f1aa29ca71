package ledger

import (
	"context"
	"time"

	"haberdash/apps/catalog/internal/stock"
	"haberdash/internal/contract"
)

// Reserve holds stock for an order: all lines or none (rules 1 to 4). The hold stays until Commit or Release. After
// expiresAt it is listed by ExpiredHolds. Problems: out-of-stock (409, lines); those of stock.Sum.
func (l *Ledger) Reserve(
	ctx context.Context, order string, lines []contract.Line, expiresAt time.Time,
) (stock.Hold, error) {
	wanted, err := stock.Sum(lines)
	if err != nil {
		return stock.Hold{}, err
	}
	hold, short, err := l.hold(ctx, order, Share{Lines: wanted}, expiresAt, refuseShort)
	if err == nil && len(short) > 0 {
		err = OutOfStock(short)
	}
	return hold, err
}

// Share is the part of an order that a location is asked to hold, if several locations serve the order.
type Share struct {
	Lines     map[string]int64 // that the locations before this one do not hold
	Elsewhere map[string]int64 // that they do hold
	Last      bool             // no location comes after this one
}

// ReserveShare holds the available part of a share, and records the rest in the hold. The last location holds the
// whole share or records a release with the lines that it lacks, which is final (rule 9).
func (l *Ledger) ReserveShare(ctx context.Context, order string, s Share, expiresAt time.Time) (stock.Hold, error) {
	policy := holdPart
	if s.Last {
		policy = releaseShort
	}
	hold, _, err := l.hold(ctx, order, s, expiresAt, policy)
	return hold, err
}

// shortPolicy decides what is recorded if a location has not enough.
type shortPolicy int

const (
	refuseShort  shortPolicy = iota // nothing is recorded
	holdPart                        // the available part is held
	releaseShort                    // a release is recorded
)

// hold reserves a share of an order, once per order. short has the lines for which it refused, with what the order has
// elsewhere.
func (l *Ledger) hold(
	ctx context.Context, order string, share Share, expiresAt time.Time, policy shortPolicy,
) (hold stock.Hold, short []contract.OutOfStockLine, err error) {
	ids := []string{stock.HoldID(order), stock.UndecidedID(order)}
	for sku := range share.Lines {
		ids = append(ids, stock.SKUID(sku))
	}
	_, err = l.log.Do(ctx, ids, func(tx *transaction) error {
		hold, short = stock.Hold{}, nil
		if s, _ := tx.State(stock.HoldID(order)); s.Hold != nil {
			hold = *s.Hold
			return nil
		}
		available, lacking := split(tx, share)
		switch {
		case len(lacking) > 0 && policy == refuseShort:
			short = lacking
			return nil
		case len(lacking) > 0 && policy == releaseShort:
			short = lacking
			tx.EmitInternal(stock.HoldID(order), stock.HoldReleased, stock.HoldChange{Short: lacking})
		default:
			recordHold(tx, order, share, available, expiresAt.UTC())
		}
		s, _ := tx.State(stock.HoldID(order))
		hold = *s.Hold
		return nil
	})
	if err != nil {
		return stock.Hold{}, nil, err
	}
	return hold, short, nil
}

// split divides a share into what the location has and the lines that it lacks.
func split(tx *transaction, share Share) (available map[string]int64, lacking []contract.OutOfStockLine) {
	available = make(map[string]int64, len(share.Lines))
	for _, sku := range stock.SKUs(share.Lines) {
		s, _ := tx.State(stock.SKUID(sku))
		wanted, elsewhere := share.Lines[sku], share.Elsewhere[sku]
		if n := min(wanted, s.Available()); n > 0 {
			available[sku] = n
		}
		if available[sku] < wanted {
			line := contract.OutOfStockLine{SKU: sku, Requested: wanted + elsewhere, Available: s.Available() + elsewhere}
			lacking = append(lacking, line)
		}
	}
	return available, lacking
}

// recordHold records that the order holds lines here. The rest of the share is for the next locations.
func recordHold(tx *transaction, order string, share Share, lines map[string]int64, expiresAt time.Time) {
	for _, sku := range stock.SKUs(lines) {
		tx.Emit(stock.SKUID(sku), stock.Reserved, stock.Movement{Quantity: lines[sku], Order: order})
	}
	rest := stock.Subtract(share.Lines, lines)
	placed := stock.HoldChange{Lines: lines, Rest: rest, ExpiresAt: expiresAt}
	tx.EmitInternal(stock.HoldID(order), stock.HoldPlaced, placed)
	undecided := stock.HoldChange{Order: order, ExpiresAt: expiresAt}
	tx.EmitInternal(stock.UndecidedID(order), stock.UndecidedAdded, undecided)
}
