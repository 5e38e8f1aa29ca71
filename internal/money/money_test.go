package money_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/internal/money"
)

var currencies = []string{"EUR", "USD", "JPY", "KWD"}

func amounts() *rapid.Generator[int64] { return rapid.Int64() }

func anyMoney(t *rapid.T, label string) money.Money {
	return money.New(amounts().Draw(t, label), rapid.SampledFrom(currencies).Draw(t, label+" currency"))
}

func TestThePartsOfASplitAddUpToTheAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := anyMoney(t, "m")
		weights := rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), 1, 20).Draw(t, "weights")
		parts := m.Split(weights)
		require.Len(t, parts, len(weights))
		sum, total := new(big.Int), new(big.Int)
		for i, p := range parts {
			require.Equal(t, m.Currency, p.Currency)
			sum.Add(sum, big.NewInt(p.Amount))
			total.Add(total, big.NewInt(weights[i]))
		}
		require.Equal(t, 0, sum.Cmp(big.NewInt(m.Amount)), "%v of %d", parts, m.Amount)
		if total.Sign() == 0 {
			return
		}
		for i, p := range parts { // each is within one minor unit of its exact share
			exact := new(big.Int).Mul(big.NewInt(m.Amount), big.NewInt(weights[i]))
			off := new(big.Int).Sub(new(big.Int).Mul(big.NewInt(p.Amount), total), exact)
			require.Negative(t, off.CmpAbs(total))
			if weights[i] == 0 {
				require.Zero(t, p.Amount)
			}
		}
	})
}

func TestSplitGivesRemaindersToTheLargestFractions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount  int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{-100, []int64{1, 1, 1}, []int64{-34, -33, -33}},
		{5, []int64{0, 0}, []int64{5, 0}},
		{2, []int64{0, 1, 0, 1, 1}, []int64{0, 1, 0, 1, 0}},
		{10, []int64{1, 8, 1}, []int64{1, 8, 1}},
		{0, []int64{3, 4}, []int64{0, 0}},
		{math.MinInt64, []int64{1}, []int64{math.MinInt64}},
		{7, nil, []int64{}},
	} {
		got := []int64{}
		for _, p := range money.New(c.amount, "EUR").Split(c.weights) {
			got = append(got, p.Amount)
		}
		require.Equal(t, c.want, got, "%d by %v", c.amount, c.weights)
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := anyMoney(t, "m")
		text, currency, _ := strings.Cut(m.String(), " ")
		require.Equal(t, m.Currency, currency)
		got, err := money.Parse(text, currency)
		require.NoError(t, err, text)
		require.Equal(t, m, got)
	})
}

func TestParseRefusesInexactAmounts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"19.99": 1999, "5": 500, "-5": -500, "0.5": 50, "-0.01": -1, "1.50": 150, "1.500": 150, "007": 700, "-0": 0,
		"92233720368547758.07": math.MaxInt64, "-92233720368547758.08": math.MinInt64,
	} {
		got, err := money.Parse(text, "EUR")
		require.NoError(t, err, text)
		require.Equal(t, want, got.Amount, text)
	}
	for _, text := range []string{
		"", "-", ".", "5.", ".5", "+5", "--5", "5-", "1,00", "1 000", "1e3", "0x10", "1.001", "1.2.3", "NaN", "٥", "5 ",
		"-.5", "1.٠٠",
	} {
		_, err := money.Parse(text, "EUR")
		require.ErrorIs(t, err, money.ErrSyntax, text)
	}
	for _, text := range []string{"92233720368547758.08", "-92233720368547758.09", strings.Repeat("9", 400)} {
		_, err := money.Parse(text, "EUR")
		require.ErrorIs(t, err, money.ErrOverflow, text)
	}
	_, err := money.Parse("1", "XXX")
	require.ErrorIs(t, err, money.ErrCurrency)
	yen, err := money.Parse("120", "JPY")
	require.NoError(t, err)
	require.Equal(t, "120 JPY", yen.String())
	_, err = money.Parse("1.5", "JPY")
	require.ErrorIs(t, err, money.ErrSyntax)
	dinar, err := money.Parse("1.5", "KWD")
	require.NoError(t, err)
	require.Equal(t, "1.500 KWD", dinar.String())
	require.Equal(t, "-92233720368547758.08 EUR", money.New(math.MinInt64, "EUR").String())
}

// TestArithmeticIsExactOrRefused compares with big integers.
func TestArithmeticIsExactOrRefused(t *testing.T) {
	t.Parallel()
	check := func(t *rapid.T, got money.Money, err error, exact *big.Int) {
		if !exact.IsInt64() {
			require.ErrorIs(t, err, money.ErrOverflow)
			return
		}
		require.NoError(t, err)
		require.Equal(t, money.New(exact.Int64(), "EUR"), got)
	}
	rapid.Check(t, func(t *rapid.T) {
		edge := rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt32, 1 << 32})
		a, b := rapid.OneOf(amounts(), edge).Draw(t, "a"), rapid.OneOf(amounts(), edge).Draw(t, "b")
		x, y, m := big.NewInt(a), big.NewInt(b), money.New(a, "EUR")
		sum, err := m.Add(money.New(b, "EUR"))
		check(t, sum, err, new(big.Int).Add(x, y))
		difference, err := m.Sub(money.New(b, "EUR"))
		check(t, difference, err, new(big.Int).Sub(x, y))
		product, err := m.Times(b)
		check(t, product, err, new(big.Int).Mul(x, y))
	})
}

func TestCurrenciesDoNotMix(t *testing.T) {
	t.Parallel()
	_, err := money.New(1, "EUR").Add(money.New(1, "USD"))
	require.ErrorIs(t, err, money.ErrCurrency)
	_, err = money.New(1, "EUR").Sub(money.New(1, "USD"))
	require.True(t, errors.Is(err, money.ErrCurrency))
	sum, err := money.Money{}.Add(money.New(3, "USD"))
	require.NoError(t, err)
	require.Equal(t, money.New(3, "USD"), sum)
	require.True(t, money.Known("EUR"))
	require.False(t, money.Known("eur"))
}

func TestPercentRoundsHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ amount, points, want int64 }{
		{1999, 1900, 380}, {50, 100, 1}, {49, 100, 0}, {-50, 100, -1}, {-49, 100, 0}, {150, 100, 2},
		{100, 10_000, 100}, {100, 0, 0},
		{math.MaxInt64, 10_000, math.MaxInt64},
	} {
		require.Equal(t, c.want, money.New(c.amount, "EUR").Percent(c.points).Amount, "%v", c)
	}
}
