package orderlog_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
)

// TestRule13TheLargestOrderFitsIntoADocument adds everything to an order that the rules and the API allow, in the longest
// texts, until each kind of part is refused.
func TestRule13TheLargestOrderFitsIntoADocument(t *testing.T) {
	t.Parallel()
	const lines, units = 100, 999 // of a cart
	wide := func(n int) string { return strings.Repeat("🧵", n) }
	sealed := order.Sealed{Key: strings.Repeat("k", 64), Data: make([]byte, 500*4+64)} // a reason has 500 characters
	sku := func(i int) string { return fmt.Sprintf("%0100d", i) }
	f := fact("o")
	f.Lines, f.Total = nil, eur(0)
	for i := range lines {
		f.Lines = append(f.Lines, contract.OrderLine{SKU: sku(i), Title: wide(2*250 + 3), Quantity: units,
			UnitPrice: eur(100_000_000_000), Total: eur(units), Discount: eur(0), Tax: eur(0)})
		f.Total.Amount += units
	}
	orders := confirmed(t, f)
	parts := func(from, n int) (list []contract.Line) {
		for i := range n {
			list = append(list, contract.Line{SKU: sku((from + i) % lines), Quantity: 1})
		}
		return list
	}
	refused := func(kind string, add func(i int) error) {
		t.Helper()
		for i := range 1000 {
			err := add(i)
			if err == nil {
				continue
			}
			require.True(t, fault.Is(err, "too-many-parts"), "%s %d: %v", kind, i, err)
			assert.Contains(t, fault.Of(err).Detail, kind)
			return
		}
		require.Fail(t, "without bound", kind)
	}
	refused("fulfilments", func(i int) error {
		_, _, err := orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: fmt.Sprintf("%064d", i),
			Fingerprint: strings.Repeat("f", 64), Lines: parts(10*i, 10), Carrier: wide(100), TrackingNumber: wide(100)})
		if err == nil {
			_, _, err = orders.RecordShipment(t.Context(), "o", fmt.Sprintf("%064d", i), "capture")
		}
		return err
	})
	refused("returns", func(i int) error {
		_, _, err := orders.RequestReturn(t.Context(), "o", orderlog.Return{ID: fmt.Sprintf("%064d", i),
			Fingerprint: strings.Repeat("f", 64), Lines: parts(20*i, 20), Reason: sealed})
		return err
	})
	refused("refunds", func(i int) error {
		_, _, err := orders.RequestRefund(t.Context(), "o", orderlog.Refund{ID: fmt.Sprintf("%064d", i),
			Fingerprint: strings.Repeat("f", 64), Amount: 1, Reason: sealed})
		return err
	})
	o, _, err := orders.Get(t.Context(), "o")
	require.NoError(t, err)
	document, err := json.Marshal(o)
	require.NoError(t, err)
	assert.Less(t, len(document), sidecar.MaxValue*9/10)
	assert.Greater(t, len(document), sidecar.MaxValue/2, "the test does not make the largest order")
}
