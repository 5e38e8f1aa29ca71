package checker

import (
	"cmp"
	"net/http"
	"slices"

	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/tests/chaos/plan"
)

// checkStockLevels checks that 0 ≤ reserved ≤ on hand at every location after every event, and that the levels are the
// sum of the history.
func (c *check) checkStockLevels() {
	for sku, stock := range c.Stock {
		sums := map[string]*invariants.Level{} // of the history, by location
		for _, l := range stock.Levels {
			sums[l.Location] = &invariants.Level{}
		}
		for _, e := range stock.Events {
			l := sums[e.Location]
			if l == nil {
				c.violated("", "%s: an event at %q, a location without a level", sku, e.Location)
				continue
			}
			list := l.Apply(e.Location, sku, uint64(e.Seq), e.Type, contract.StockMovement(e.Data))
			c.found = append(c.found, list...)
		}
		for _, l := range stock.Levels {
			if sum := sums[l.Location]; l.OnHand != sum.OnHand || l.Reserved != sum.Reserved {
				c.violated("", "%s at %s: the levels are %d on hand and %d reserved, the history has %d and %d",
					sku, l.Location, l.OnHand, l.Reserved, sum.OnHand, sum.Reserved)
			}
		}
	}
}

// checkAdjustments checks that each acknowledged adjustment is in the history once, that no refused one is, and that
// all other stock comes from imports.
func (c *check) checkAdjustments() {
	type entry struct {
		sku, location string
		delta         int64
	}
	adjusted := map[string][]entry{} // by reason
	imported := map[string]int64{}   // by SKU
	for sku, stock := range c.Stock {
		for _, e := range stock.Events {
			switch {
			case e.Type != "stock.received" && e.Type != "stock.adjusted":
			case e.Data.Reason == "import":
				imported[sku] += e.Data.Quantity
			default:
				adjusted[e.Data.Reason] = append(adjusted[e.Data.Reason], entry{sku, e.Location, e.Data.Quantity})
			}
		}
		if imported[sku] != c.record.Imported[sku] {
			c.violated("", "%s: %d were imported, the history has %d", sku, c.record.Imported[sku], imported[sku])
		}
	}
	for _, a := range c.record.Adjustments {
		var want []entry
		if a.Status == http.StatusOK {
			want = []entry{{a.SKU, cmp.Or(a.Location, plan.Locations[0]), a.Delta}}
		}
		if !slices.Equal(adjusted[a.Reason], want) {
			c.violated("", "adjustment %s was answered with %d, the history has %v", a.Key, a.Status, adjusted[a.Reason])
		}
		delete(adjusted, a.Reason)
	}
	for reason, entries := range adjusted {
		c.violated("", "the history has the adjustment %q of %v, which nobody made", reason, entries)
	}
}
