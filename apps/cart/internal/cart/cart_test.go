package cart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

func offer(sku string, cents int64) Offer {
	return Offer{SKU: sku, Title: strings.ToUpper(sku), Price: money.New(cents, "EUR"), Available: 10}
}

func filled(t *testing.T, owner string, skus ...string) *Cart {
	t.Helper()
	c, err := New(owner, "EUR")
	require.NoError(t, err)
	for _, sku := range skus {
		require.NoError(t, c.SetQuantity(offer(sku, 100), 2))
	}
	return Restore(c.Snapshot())
}

func quantities(c *Cart) map[string]int64 {
	m := map[string]int64{}
	for _, l := range c.Snapshot().Lines {
		m[l.SKU] = l.Quantity
	}
	return m
}

func anyCoupon(string, []string) bool { return true }

func TestRule1ACartHasOneCurrency(t *testing.T) {
	t.Parallel()
	_, err := New("", "XXX")
	assert.True(t, fault.Is(err, "invalid-request"))
	c := filled(t, "", "a")
	other := offer("b", 1)
	other.Price.Currency = "USD"
	assert.True(t, fault.Is(c.SetQuantity(other, 1), "currency-mismatch"))
	assert.True(t, fault.Is(c.UseCurrency("USD"), "currency-mismatch"))
	c.Remove("a")
	assert.NoError(t, c.UseCurrency("USD"))
	assert.NoError(t, c.SetQuantity(other, 1))
}

func TestRule2QuantityIsAWholeNumberUpTo999(t *testing.T) {
	t.Parallel()
	for json, want := range map[string]int64{"0": 0, "1": 1, "999": 999, "2.0": 2, "1e2": 100} {
		n, err := ParseQuantity(json)
		assert.NoError(t, err, json)
		assert.Equal(t, want, n, json)
	}
	wrong := []string{"-1", "1.5", "1000", "99999999999999999999", "1e999", `"2"`, "null", "true", "[]", "{}", ""}
	for _, json := range wrong {
		_, err := ParseQuantity(json)
		assert.True(t, fault.Is(err, "invalid-quantity"), json)
		assert.Equal(t, "quantity", fault.Of(err).Fields[0].Location)
	}
}

func TestRule2ACartHasAtMost100Lines(t *testing.T) {
	t.Parallel()
	c := filled(t, "")
	for i := range MaxLines {
		require.NoError(t, c.SetQuantity(offer(fmt.Sprint("s", i), 1), 1))
	}
	assert.True(t, fault.Is(c.SetQuantity(offer("more", 1), 1), "too-many-lines"))
	assert.NoError(t, c.SetQuantity(offer("s7", 1), 5), "an existing line may change")
}

func TestRule3OnlyTheOwnerSeesTheirCart(t *testing.T) {
	t.Parallel()
	guest, owned := filled(t, ""), filled(t, "ann")
	assert.True(t, guest.VisibleTo(""))
	assert.True(t, guest.VisibleTo("bob"))
	assert.True(t, owned.VisibleTo("ann"))
	assert.False(t, owned.VisibleTo("bob"))
	assert.False(t, owned.VisibleTo(""))
}

func TestRule4ACartIsClaimedAndMergedOnce(t *testing.T) {
	t.Parallel()
	guest, mine := filled(t, "", "a", "b"), filled(t, "ann", "b", "c")
	require.NoError(t, guest.Claim("ann"))
	require.NoError(t, guest.Claim("ann"))
	assert.True(t, fault.Is(guest.Claim("bob"), "not-found"))
	assert.False(t, guest.VisibleTo("ann"))
	assert.True(t, fault.Is(mine.Claim("ann"), "not-found"), "only a guest's cart can be claimed")

	for range 2 {
		warnings, err := mine.Merge("g", guest, anyCoupon)
		require.NoError(t, err)
		assert.Empty(t, warnings)
		assert.Equal(t, map[string]int64{"a": 2, "b": 4, "c": 2}, quantities(mine))
	}
}

func TestRule4MergeKeepsTheLimits(t *testing.T) {
	t.Parallel()
	mine, guest := filled(t, "ann"), filled(t, "", "s0", "new")
	for i := range MaxLines {
		require.NoError(t, mine.SetQuantity(offer(fmt.Sprint("s", i), 1), 998))
	}
	warnings, err := mine.Merge("g", guest, anyCoupon)
	require.NoError(t, err)
	require.Len(t, warnings, 2)
	assert.Equal(t, QuantityReduced, warnings[0].Code)
	assert.Equal(t, LineDropped, warnings[1].Code)
	assert.EqualValues(t, MaxQuantity, quantities(mine)["s0"])
}

func TestRule4MergeCopiesCouponsAddressAndCurrency(t *testing.T) {
	t.Parallel()
	guest := Restore(Snapshot{Currency: "USD", Lines: []Line{{SKU: "a", Quantity: 1}}, Coupons: []string{"X", "Y"},
		Address: &Address{Country: "US"}, Option: "express"})
	mine := filled(t, "ann")
	_, err := mine.Merge("g", guest, func(code string, _ []string) bool { return code == "X" })
	require.NoError(t, err)
	s := mine.Snapshot()
	assert.Equal(t, "USD", s.Currency)
	assert.Equal(t, []string{"X"}, s.Coupons)
	assert.Equal(t, "US", s.Address.Country)
	_, err = filled(t, "bob", "b").Merge("g", guest, anyCoupon)
	assert.True(t, fault.Is(err, "currency-mismatch"))
}

func TestRule5RefreshUpdatesPricesAndReturnsTheChanges(t *testing.T) {
	t.Parallel()
	c := filled(t, "", "a", "b", "c")
	short := offer("b", 100)
	short.Available = 1
	offers := map[string]Offer{"a": offer("a", 150), "b": short}
	changes := c.Refresh(offers)
	assert.Equal(t, []PriceChange{{"a", "A", money.New(100, "EUR"), money.New(150, "EUR")}}, changes)
	assert.Equal(t, "A was 1.00 EUR and is now 1.50 EUR.", changes[0].Warning().Message)
	assert.Empty(t, c.Refresh(offers), "the new price has been shown")
	assert.Equal(t, []Warning{
		{NotEnoughStock, "b", "Only 1 of B are available."},
		{NotSold, "c", "C is no longer sold. Remove it to continue."},
	}, c.StockWarnings(offers))
	assert.Equal(t, []string{"c"}, c.Discontinued(offers))
}

func TestRule6AnOrderRemovesItsLinesOnce(t *testing.T) {
	t.Parallel()
	c := filled(t, "", "a", "b")
	require.NoError(t, c.AddCoupon("X"))
	c = Restore(c.Snapshot())
	changed := Restore(c.Snapshot())
	version := c.Snapshot().Version

	c.RemoveOrdered("o1", version, []Quantity{{"a", 2}, {"b", 2}})
	assert.Empty(t, c.Snapshot().Lines)
	assert.Empty(t, c.Snapshot().Coupons)
	require.NoError(t, c.SetQuantity(offer("a", 100), 2))
	c.RemoveOrdered("o1", version, []Quantity{{"a", 2}})
	assert.Equal(t, map[string]int64{"a": 2}, quantities(c), "the second delivery changes nothing")

	require.NoError(t, changed.SetQuantity(offer("a", 100), 5))
	changed = Restore(changed.Snapshot())
	changed.RemoveOrdered("o1", version, []Quantity{{"a", 2}, {"b", 7}, {"gone", 1}})
	assert.Equal(t, map[string]int64{"a": 3}, quantities(changed))
	assert.Equal(t, []string{"X"}, changed.Snapshot().Coupons)
}

func TestRule7AClosedCartStaysClosed(t *testing.T) {
	c := filled(t, "ann", "a")
	c.ShipTo(Address{Name: "Ann", Line1: "1"}, "standard")
	c.Close()
	assert.True(t, c.Changed())
	closed := c.Snapshot()
	assert.Equal(t, Snapshot{Owner: "ann", Currency: "EUR", Version: closed.Version, Closed: true}, closed)
	assert.False(t, c.VisibleTo("ann"))
	c = Restore(closed)
	c.Close()
	c.RemoveOrdered("o1", 1, nil)
	assert.False(t, c.Changed())
	assert.Equal(t, closed, c.Snapshot())
}

func TestACartHasAtMostTenCoupons(t *testing.T) {
	t.Parallel()
	c := filled(t, "")
	for i := range maxCoupons {
		require.NoError(t, c.AddCoupon(fmt.Sprint(i)))
	}
	assert.NoError(t, c.AddCoupon("3"))
	assert.True(t, fault.Is(c.AddCoupon("more"), "invalid-coupon"))
	c.RemoveCoupon("3")
	c.RemoveCoupon("3")
	assert.Len(t, c.Snapshot().Coupons, maxCoupons-1)
}

func TestAStoredChangeRaisesTheVersionByOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Restore(Snapshot{Version: 7, Currency: "EUR"})
		before := c.Snapshot()
		for range rapid.IntRange(0, 8).Draw(t, "steps") {
			sku := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "sku")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				require.NoError(t, c.SetQuantity(offer(sku, 5), rapid.Int64Range(1, 9).Draw(t, "quantity")))
			case 1:
				c.Remove(sku)
			case 2:
				c.RemoveCoupon(sku)
			case 3:
				c.RemoveOrdered(sku, 7, []Quantity{{sku, 3}})
			}
		}
		assert.Equal(t, Snapshot{Version: 7, Currency: "EUR"}, before, "a snapshot never changes")
		assert.Equal(t, c.Changed(), c.Snapshot().Version == 8)
		for _, l := range c.Snapshot().Lines {
			assert.Positive(t, l.Quantity)
		}
	})
}
