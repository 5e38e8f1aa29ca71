package cart

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/fault"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

// TestTheLargestCartFitsIntoADocument adds everything to a cart that the rules and the API allow, in the longest
// texts.
func TestTheLargestCartFitsIntoADocument(t *testing.T) {
	t.Parallel()
	wide := func(n int) string { return strings.Repeat("<", n) } // no other character takes more bytes in JSON
	c, err := New(wide(64), "EUR")
	require.NoError(t, err)
	for i := 0; ; i++ {
		offer := Offer{SKU: fmt.Sprintf("%0100d", i), Title: wide(2*250 + 3), Price: money.New(100_000_000_000, "EUR"),
			Available: 1, Taxable: true, Shipped: true}
		if err := c.SetQuantity(offer, MaxQuantity); err != nil {
			require.True(t, fault.Is(err, "too-many-lines"), "%v", err)
			break
		}
	}
	for i := 0; ; i++ {
		if err := c.AddCoupon(fmt.Sprintf("%064d", i)); err != nil {
			require.True(t, fault.Is(err, "invalid-coupon"), "%v", err)
			break
		}
	}
	c.ShipTo(Address{Name: wide(200), Line1: wide(200), Line2: wide(200), City: wide(200), Region: wide(100),
		PostalCode: wide(20), Country: "DE"}, wide(64))
	for i := range 1000 {
		empty, err := New("", "EUR")
		require.NoError(t, err)
		_, err = c.Merge(fmt.Sprintf("%0128d", i), empty, nil)
		require.NoError(t, err)
		c.RemoveOrdered(fmt.Sprintf("%064d", i), 0, nil)
	}
	document, err := json.Marshal(c.Snapshot())
	require.NoError(t, err)
	require.Less(t, len(document), sidecar.MaxValue/2)
	require.Greater(t, len(document), sidecar.MaxValue/5, "the test does not make the largest cart")
}
