// Package money is for amounts of money: an integer number of minor units and an ISO 4217 currency. It does not use
// floating point. Only functions whose comment says so round.
package money

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Money is an amount in minor units (cents for EUR, yen for JPY) of one currency.
type Money struct {
	Amount   int64  `json:"amount" doc:"Minor units: cents for EUR, yen for JPY" example:"1999"`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217 code" example:"EUR"`
}

// Errors of this package. Callers compare with errors.Is.
var (
	ErrCurrency = errors.New("money: unknown or different currency")
	ErrOverflow = errors.New("money: amount out of range")
	ErrSyntax   = errors.New("money: not a decimal amount")
)

// exponents has the number of decimals of each supported currency (ISO 4217, table A.1).
var exponents = map[string]int{
	"EUR": 2, "USD": 2, "GBP": 2, "CHF": 2, "SEK": 2, "NOK": 2, "DKK": 2, "PLN": 2, "CZK": 2,
	"CAD": 2, "AUD": 2, "NZD": 2, "HUF": 2, "RON": 2, "BGN": 2, "JPY": 0, "KRW": 0, "KWD": 3, "BHD": 3,
}

// Known reports whether the currency is supported.
func Known(currency string) bool { _, ok := exponents[currency]; return ok }

// New makes an amount of minor units. It does not check the currency.
func New(amount int64, currency string) Money { return Money{Amount: amount, Currency: currency} }

// Add adds an amount of the same currency. The zero Money can be added to any amount. Errors: ErrCurrency, ErrOverflow.
func (m Money) Add(o Money) (Money, error) {
	if o.Currency == "" && o.Amount == 0 {
		return m, nil
	}
	if m.Currency == "" && m.Amount == 0 {
		return o, nil
	}
	if m.Currency != o.Currency {
		return Money{}, fmt.Errorf("%w: %s and %s", ErrCurrency, m.Currency, o.Currency)
	}
	s := m.Amount + o.Amount
	if (o.Amount > 0 && s < m.Amount) || (o.Amount < 0 && s > m.Amount) {
		return Money{}, ErrOverflow
	}
	return Money{s, m.Currency}, nil
}

// Sub subtracts an amount of the same currency. The zero Money is as in Add. Errors: ErrCurrency, ErrOverflow.
func (m Money) Sub(o Money) (Money, error) {
	// m.Add(-o) would overflow for the smallest amount, which has no opposite.
	sum, err := m.Add(Money{0, o.Currency})
	if err != nil {
		return Money{}, err
	}
	d := m.Amount - o.Amount
	if (o.Amount > 0 && d > m.Amount) || (o.Amount < 0 && d < m.Amount) {
		return Money{}, ErrOverflow
	}
	return Money{d, sum.Currency}, nil
}

// Times multiplies the amount. Error: ErrOverflow.
func (m Money) Times(n int64) (Money, error) {
	if n != 0 && m.Amount != 0 {
		p := m.Amount * n
		if p/n != m.Amount || (m.Amount == -1 && n == math.MinInt64) || (n == -1 && m.Amount == math.MinInt64) {
			return Money{}, ErrOverflow
		}
	}
	return Money{m.Amount * n, m.Currency}, nil
}

// Split divides the amount in proportion to the weights, to the last minor unit: the parts add up to the amount. The
// largest fractions are rounded up, of equal ones the first (largest remainder method). Weights are not negative. If
// all weights are zero, the first part is the whole amount.
func (m Money) Split(weights []int64) []Money {
	parts := make([]Money, len(weights))
	if len(weights) == 0 {
		return parts
	}
	sum := new(big.Int)
	for i, w := range weights {
		parts[i].Currency = m.Currency
		sum.Add(sum, big.NewInt(w))
	}
	if sum.Sign() == 0 {
		parts[0].Amount = m.Amount
		return parts
	}
	divide(m.Amount, weights, sum, parts)
	return parts
}

// Percent returns basis points (1/100 of a percent) of the amount, rounded half away from zero.
func (m Money) Percent(basisPoints int64) Money {
	return Money{mulDivRound(m.Amount, basisPoints, 10_000), m.Currency}
}

// String returns the amount with the currency's decimals, such as "19.99 EUR".
func (m Money) String() string {
	exp, sign, a := exponents[m.Currency], "", uint64(m.Amount)
	if m.Amount < 0 {
		sign, a = "-", -a // unsigned, because the smallest amount has no opposite
	}
	if exp == 0 {
		return fmt.Sprintf("%s%d %s", sign, a, m.Currency)
	}
	unit := uint64(pow10(exp))
	return fmt.Sprintf("%s%d.%0*d %s", sign, a/unit, exp, a%unit, m.Currency)
}

// Parse reads a decimal such as "19.99" or "-5", without rounding. Errors: ErrCurrency; ErrOverflow; ErrSyntax for
// exponents, separators, misplaced signs and more decimals than the currency has.
func Parse(s, currency string) (Money, error) {
	exp, ok := exponents[currency]
	if !ok {
		return Money{}, fmt.Errorf("%w: %q", ErrCurrency, currency)
	}
	text, negative := s, false
	if strings.HasPrefix(text, "-") {
		text, negative = text[1:], true
	}
	whole, frac, dot := strings.Cut(text, ".")
	if whole == "" || (dot && frac == "") || len(strings.TrimRight(frac, "0")) > exp {
		return Money{}, fmt.Errorf("%w: %q", ErrSyntax, s)
	}
	if len(frac) > exp {
		frac = frac[:exp]
	}
	frac += strings.Repeat("0", exp-len(frac))
	digits := whole + frac
	if strings.Trim(digits, "0123456789") != "" {
		return Money{}, fmt.Errorf("%w: %q", ErrSyntax, s)
	}
	if negative {
		digits = "-" + digits
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Money{}, ErrOverflow
	}
	return Money{n, currency}, nil
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}
