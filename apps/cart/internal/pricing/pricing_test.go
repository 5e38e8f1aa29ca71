package pricing

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/fault"
	"haberdash/internal/money"
)

func eur(n int64) money.Money { return money.New(n, "EUR") }

func goods(price, quantity int64) Line {
	return Line{Quantity: quantity, UnitPrice: eur(price), Taxable: true, Shipped: true}
}

func price(t *testing.T, o Order) Quote {
	t.Helper()
	o.Currency = "EUR"
	q, err := DemoRules().Price(o)
	require.NoError(t, err)
	return q
}

func TestAnOrderIsPricedNetWithTaxOnTop(t *testing.T) {
	t.Parallel()
	q := price(t, Order{Lines: []Line{goods(19_99, 2), goods(5_01, 1)}, Coupons: []string{"WELCOME10"}, Country: "DE"})
	assert.Equal(t, eur(44_99), q.Subtotal)
	assert.Equal(t, eur(4_50), q.Discount) // 4.499 rounds away from zero
	assert.Equal(t, []PricedLine{
		{eur(39_98), eur(4_00), eur(6_84)}, // 19 % of 35.98 is 6.8362
		{eur(5_01), eur(50), eur(86)},      // 19 % of 4.51 is 0.8569
	}, q.Lines)
	assert.Equal(t, Standard, q.Option)
	assert.Equal(t, eur(4_90), q.Shipping)
	assert.Equal(t, eur(93), q.ShippingTax)
	assert.Equal(t, eur(6_84+86+93), q.Tax)
	assert.Equal(t, eur(44_99-4_50+4_90+8_63), q.Total)
}

func TestWithoutACountryThereIsNeitherTaxNorShipping(t *testing.T) {
	t.Parallel()
	q := price(t, Order{Lines: []Line{goods(10_00, 1)}, Option: Express})
	assert.Equal(t, q.Subtotal, q.Total)
	assert.Empty(t, q.Option)
	assert.Empty(t, q.Options)
}

func TestFreeShipping(t *testing.T) {
	t.Parallel()
	just := price(t, Order{Lines: []Line{goods(100_00, 1)}, Country: "US"})
	assert.Equal(t, eur(0), just.Shipping)
	below := price(t, Order{Lines: []Line{goods(100_00, 1)}, Coupons: []string{"FIVER"}, Country: "US"})
	assert.Equal(t, eur(14_90), below.Shipping, "the threshold counts after discount")
	coupon := price(t, Order{Lines: []Line{goods(1_00, 1)}, Coupons: []string{"FREESHIP"}, Country: "JP"})
	assert.Equal(t, eur(0), coupon.Shipping)
	assert.Empty(t, coupon.Unused)
	express := price(t, Order{Lines: []Line{goods(100_00, 1)}, Coupons: []string{"FREESHIP"}, Country: "CH",
		Option: Express})
	assert.Equal(t, eur(24_90), express.Shipping)
}

func TestAnOrderWithoutGoodsToShipHasNoShipping(t *testing.T) {
	t.Parallel()
	q := price(t, Order{Lines: []Line{{Quantity: 1, UnitPrice: eur(50_00)}}, Country: "FR", Option: Express})
	assert.Equal(t, Digital, q.Option)
	assert.Equal(t, eur(50_00), q.Total, "not taxable, not shipped")
}

func TestCouponsAreChecked(t *testing.T) {
	t.Parallel()
	r := DemoRules()
	code, err := r.CheckCoupon(" welcome10 ", nil, eur(0))
	require.NoError(t, err)
	assert.Equal(t, "WELCOME10", code)
	code, err = r.CheckCoupon("fiver", []string{"FIVER"}, eur(1))
	require.NoError(t, err, "a repetition changes nothing")
	assert.Equal(t, "FIVER", code)

	r.Promotions = append(r.Promotions, Promotion{Code: "HALF", BasisPoints: 50_00})
	for typed, has := range map[string][]string{"": nil, "NOPE": nil, "FIVER": nil, "HALF": {"WELCOME10"}} {
		_, err := r.CheckCoupon(typed, has, eur(24_99))
		assert.True(t, fault.Is(err, "invalid-coupon"), "%q: %v", typed, err)
		assert.Equal(t, "code", fault.Of(err).Fields[0].Location)
	}
}

func TestACouponWhoseConditionFailsHasNoEffect(t *testing.T) {
	t.Parallel()
	q := price(t, Order{Lines: []Line{goods(24_99, 1)}, Coupons: []string{"FIVER", "GONE"}})
	assert.Equal(t, eur(0), q.Discount)
	assert.Equal(t, []string{"FIVER", "GONE"}, q.Unused)
}

func TestEnormousAmountsAreRefused(t *testing.T) {
	t.Parallel()
	largest := goods(math.MaxInt64, 1)
	for _, lines := range [][]Line{{goods(math.MaxInt64, 2)}, {largest, goods(1, 1)}, {largest}} {
		_, err := DemoRules().Price(Order{Currency: "EUR", Lines: lines, Country: "DE"})
		assert.True(t, fault.Is(err, "amount-out-of-range"), "%v", err)
	}
}

func TestTablesAreSound(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, z := range zones {
		for _, c := range strings.Fields(z.countries) {
			assert.True(t, IsCountry(c) && !seen[c], c)
			seen[c] = true
		}
	}
	for c := range taxRates {
		assert.True(t, IsCountry(c), c)
	}
	for c := range scale {
		assert.True(t, money.Known(c), c)
	}
}

func TestSumsAlwaysBalance(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		currency := rapid.SampledFrom([]string{"EUR", "JPY", "KWD", "HUF", "SEK"}).Draw(t, "currency")
		o := Order{Currency: currency,
			Country: rapid.SampledFrom([]string{"", "DE", "FI", "US", "CH", "JP"}).Draw(t, "country"),
			Option:  rapid.SampledFrom([]string{"", Standard, Express, Digital, "x"}).Draw(t, "option"),
			Coupons: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"WELCOME10", "FIVER", "FREESHIP", "ALL", "X"}),
				rapid.ID[string]).Draw(t, "coupons"),
			Lines: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Line {
				return Line{rapid.Int64Range(1, 999).Draw(t, "quantity"),
					money.New(rapid.Int64Range(0, 1e12).Draw(t, "price"), currency),
					rapid.Bool().Draw(t, "taxable"), rapid.Bool().Draw(t, "shipped")}
			}), 0, 100).Draw(t, "lines"),
		}
		r := DemoRules()
		r.Promotions = append(r.Promotions, Promotion{Code: "ALL", BasisPoints: 100_00})
		q, err := r.Price(o)
		require.NoError(t, err)

		var total, discount, tax int64
		for i, l := range q.Lines {
			for _, m := range []money.Money{l.Total, l.Discount, l.Tax} {
				assert.GreaterOrEqual(t, m.Amount, int64(0))
				assert.Equal(t, currency, m.Currency)
			}
			assert.Equal(t, o.Lines[i].Quantity*o.Lines[i].UnitPrice.Amount, l.Total.Amount)
			assert.LessOrEqual(t, l.Discount.Amount, l.Total.Amount)
			total, discount, tax = total+l.Total.Amount, discount+l.Discount.Amount, tax+l.Tax.Amount
		}
		assert.Equal(t, total, q.Subtotal.Amount)
		assert.Equal(t, discount, q.Discount.Amount)
		assert.Equal(t, tax+q.ShippingTax.Amount, q.Tax.Amount)
		assert.LessOrEqual(t, q.Discount.Amount, q.Subtotal.Amount)
		assert.GreaterOrEqual(t, q.Shipping.Amount, int64(0))
		assert.Equal(t, q.Subtotal.Amount-q.Discount.Amount+q.Shipping.Amount+q.Tax.Amount, q.Total.Amount)
		for _, m := range []money.Money{q.Subtotal, q.Discount, q.Shipping, q.ShippingTax, q.Tax, q.Total} {
			assert.Equal(t, currency, m.Currency)
		}
	})
}
