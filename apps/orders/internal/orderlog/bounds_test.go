package orderlog_test

import (
	"encoding/json"
	"fmt"
	"slices"
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

// TestRule13TheLargestOrderFitsIntoADocument adds everything to an order that the rules and the API allow, in the
// longest texts, until each kind of part is refused.
func TestRule13TheLargestOrderFitsIntoADocument(t *testing.T) {
	t.Parallel()
	const lines, units = 100, 999 // of a cart
	const title = 370             // two texts of 250 may have more, but then the order is too large for a commit
	// No other character takes more bytes in JSON.
	wide := func(n int) string { return strings.Repeat("<", n) }
	sealed := order.Sealed{Key: strings.Repeat("k", 64), Data: make([]byte, 500*4+64)} // a reason has 500 characters
	sku := func(i int) string { return fmt.Sprintf("%0100d", i) }
	f := fact("o")
	f.Lines, f.Total = nil, eur(0)
	for i := range lines {
		f.Lines = append(f.Lines, contract.OrderLine{SKU: sku(i), Title: wide(title), Quantity: units,
			UnitPrice: eur(100_000_000_000), Total: eur(units), Discount: eur(0), Tax: eur(0)})
		f.Total.Amount += units
	}
	orders := confirmed(t, f)
	longer := f
	longer.OrderID, longer.CartID, longer.Lines = "p", "another", slices.Clone(f.Lines)
	for i := range longer.Lines {
		longer.Lines[i].Title = wide(title + 20)
	}
	_, _, _, err := orders.Place(t.Context(), longer, order.Request{})
	require.True(t, fault.Is(err, "too-large"), "%v", err)
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
			Fingerprint: strings.Repeat("f", 64), Lines: parts(6*i, 6), Carrier: wide(100), TrackingNumber: wide(100)})
		if err == nil {
			_, _, err = orders.RecordShipment(t.Context(), "o", fmt.Sprintf("%064d", i), "capture")
		}
		return err
	})
	refused("returns", func(i int) error {
		_, _, err := orders.RequestReturn(t.Context(), "o", orderlog.Return{ID: fmt.Sprintf("%064d", i),
			Fingerprint: strings.Repeat("f", 64), Lines: parts(12*i, 12), Reason: sealed})
		return err
	})
	refused("refunds", func(i int) error {
		_, _, err := orders.RequestRefund(t.Context(), "o", orderlog.Refund{ID: fmt.Sprintf("%064d", i),
			Fingerprint: strings.Repeat("f", 64), Amount: 1, Reason: sealed})
		return err
	})
	o, _, err := orders.Get(t.Context(), "o")
	require.NoError(t, err)
	personal := order.Sealed{Key: strings.Repeat("k", 64), Data: make([]byte, 8<<10)}
	o.Request = order.Request{Fingerprint: strings.Repeat("f", 64), Token: strings.Repeat("t", 128),
		Contact: personal, Invoice: personal}
	document, err := json.Marshal(o)
	require.NoError(t, err)
	assert.Less(t, len(document), sidecar.MaxValue*9/10)
	assert.Greater(t, len(document), sidecar.MaxValue/2, "the test does not make the largest order")
}

func TestRule13TheLinesOfPartsAreBounded(t *testing.T) {
	t.Parallel()
	f := fact("o")
	f.Lines, f.Total = nil, eur(0)
	var lines []contract.Line
	for i := range 100 {
		sku := fmt.Sprint("SKU-", i)
		f.Lines = append(f.Lines, contract.OrderLine{SKU: sku, Title: "T", Quantity: 999, UnitPrice: eur(1), Total: eur(999)})
		f.Total.Amount += 999
		lines = append(lines, contract.Line{SKU: sku, Quantity: 1})
	}
	orders := confirmed(t, f)
	for i := range 7 {
		parcel := orderlog.Parcel{ID: fmt.Sprint(i), Lines: lines, Carrier: "C"}
		_, _, err := orders.RequestFulfilment(t.Context(), "o", parcel)
		if i < 6 {
			require.NoError(t, err)
			continue
		}
		require.True(t, fault.Is(err, "too-many-parts"), "%v", err)
		assert.Equal(t, "lines", fault.Of(err).Fields[0].Location)
	}
}
