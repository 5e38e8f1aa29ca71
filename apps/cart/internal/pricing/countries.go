package pricing

import (
	"strings"

	"golang.org/x/text/language"
)

// notAssigned are codes that golang.org/x/text/language counts as countries and ISO 3166-1 does not: five withdrawn
// codes without a single successor, and XK, the code that many programs use for Kosovo.
const notAssigned = "AN CS NT SU YU XK"

// IsCountry reports whether the code is an officially assigned alpha-2 code of ISO 3166-1, in capital letters.
func IsCountry(code string) bool {
	r, err := language.ParseRegion(code)
	return err == nil && r.IsCountry() &&
		r.String() == code && // neither "de" nor "DEU" nor "276"
		r.Canonicalize() == r && // no former code of another country: ZR is CD, UK is GB
		r.M49() != 0 && // no reserved code for a part of a country: AC, IC, EA
		!strings.Contains(notAssigned, code)
}

// taxRates are the standard rates of value added tax in the European Union, in basis points, as of January 2026
// (European Commission, Taxes in Europe database). Orders to other countries bear no tax: the recipient pays what is
// due on import.
var taxRates = map[string]int64{
	"AT": 20_00, "BE": 21_00, "BG": 20_00, "CY": 19_00, "CZ": 21_00, "DE": 19_00, "DK": 25_00,
	"EE": 24_00, "ES": 21_00, "FI": 25_50, "FR": 20_00, "GR": 24_00, "HR": 25_00, "HU": 27_00,
	"IE": 23_00, "IT": 22_00, "LT": 21_00, "LU": 17_00, "LV": 21_00, "MT": 18_00, "NL": 21_00,
	"PL": 23_00, "PT": 23_00, "RO": 21_00, "SE": 25_00, "SI": 22_00, "SK": 23_00,
}
