package share_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/orders/internal/share"
	"haberdash/internal/contract"
)

func TestTheLastUnitsCostWhatIsLeft(t *testing.T) {
	t.Parallel()
	hats, shared := share.Line{Quantity: 3, Amount: 1000}, share.Sums{}
	for _, want := range []int64{333, 333, 334} {
		amount := hats.Share(1, shared["HAT"])
		assert.Equal(t, want, amount)
		shared.Add([]share.Part{{SKU: "HAT", Quantity: 1, Amount: amount}})
	}
	assert.Equal(t, share.Part{Quantity: 3, Amount: 1000}, shared["HAT"])
}

func TestSharesSumToTheLineInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		line := share.Line{Quantity: rapid.Int64Range(1, 50).Draw(rt, "quantity"),
			Amount: rapid.Int64Range(0, 1<<50).Draw(rt, "amount")}
		sums := share.Sums{}
		for sums.Quantity() < line.Quantity {
			n := rapid.Int64Range(1, line.Quantity-sums.Quantity()).Draw(rt, "units")
			part := share.Part{SKU: "HAT", Quantity: n, Amount: line.Share(n, sums["HAT"])}
			require.GreaterOrEqual(rt, part.Amount, int64(0))
			sums.Add([]share.Part{part})
		}
		require.Equal(rt, line.Amount, sums["HAT"].Amount)
	})
}

func TestLinesHaveNoAmounts(t *testing.T) {
	t.Parallel()
	parts := []share.Part{{SKU: "HAT", Quantity: 2, Amount: 700}, {SKU: "TIE", Quantity: 1, Amount: 500}}
	assert.Equal(t, []contract.Line{{SKU: "HAT", Quantity: 2}, {SKU: "TIE", Quantity: 1}}, share.Lines(parts))
	assert.Equal(t, int64(1200), share.Amount(parts))
	assert.Equal(t, int64(3), share.Quantity(parts))
}
