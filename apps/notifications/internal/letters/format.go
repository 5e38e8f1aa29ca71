package letters

import (
	"strings"

	"haberdash/internal/money"
)

// symbols has the currencies whose symbol is unambiguous. Other amounts show the currency code.
var symbols = map[string]string{
	"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥", "KRW": "₩", "CAD": "CA$", "AUD": "A$", "NZD": "NZ$",
}

// Amount formats money for people: symbol or code, then the amount with thousands separators and the currency's
// decimals, such as "€1,234.50" or "SEK 99.00".
func Amount(m money.Money) string {
	number, code, _ := strings.Cut(m.String(), " ")
	number, negative := strings.CutPrefix(number, "-")
	whole, decimals, hasDecimals := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if hasDecimals {
		whole += "." + decimals
	}
	sign := ""
	if negative {
		sign = "-"
	}
	if symbol, ok := symbols[code]; ok {
		return sign + symbol + whole
	}
	return sign + code + " " + whole
}
