package letters

import (
	"strings"
	"unicode"

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

// plain makes text that a user has entered safe for one line of a plain-text mail.
func plain(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))), " ")
}

// greeting returns the name for the salutation, or nothing if it does not look like a name. Anybody can register the
// address of somebody else under any "name", and must not be able to send advertising that way.
func greeting(name string) string {
	name = plain(name)
	if len([]rune(name)) > 60 {
		return ""
	}
	for i, r := range name {
		inside := r == '.' && i+1 < len(name) && name[i+1] != ' ' // as in a host name
		if inside || !(unicode.IsLetter(r) || unicode.IsMark(r) || strings.ContainsRune(" .'’-", r)) {
			return ""
		}
	}
	return name
}
