package pricing

import "strings"

// countries are the officially assigned alpha-2 codes of ISO 3166-1.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ " +
	"UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"

// Country reports whether the code is one of a country that exists.
func Country(code string) bool {
	return len(code) == 2 && !strings.Contains(code, " ") && strings.Contains(countries, code)
}

// taxRates are the standard rates of value added tax in the European Union, in basis points, as of
// January 2026 (European Commission, Taxes in Europe database). Other countries collect no tax here:
// what is due on import is the receiver's.
var taxRates = map[string]int64{
	"AT": 20_00, "BE": 21_00, "BG": 20_00, "CY": 19_00, "CZ": 21_00, "DE": 19_00, "DK": 25_00,
	"EE": 24_00, "ES": 21_00, "FI": 25_50, "FR": 20_00, "GR": 24_00, "HR": 25_00, "HU": 27_00,
	"IE": 23_00, "IT": 22_00, "LT": 21_00, "LU": 17_00, "LV": 21_00, "MT": 18_00, "NL": 21_00,
	"PL": 23_00, "PT": 23_00, "RO": 21_00, "SE": 25_00, "SI": 22_00, "SK": 23_00,
}
