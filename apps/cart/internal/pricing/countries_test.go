package pricing

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// assigned are the officially assigned alpha-2 codes of ISO 3166-1.
const assigned = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT " +
	"BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH " +
	"ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT " +
	"HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS " +
	"LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI " +
	"NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG " +
	"SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG " +
	"UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"

// A new version of the library may know more regions. This test compares every pair of letters with the standard.
func TestCountriesAreTheAssignedCodesOfISO3166(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, code := range strings.Fields(assigned) {
		want[code] = true
	}
	assert.Len(t, want, 249)
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			code := string([]rune{first, second})
			assert.Equal(t, want[code], IsCountry(code), code)
		}
	}
}

func TestOtherCodesAreNotCountries(t *testing.T) {
	t.Parallel()
	for what, codes := range map[string][]string{
		"other forms":         {"", "D", "de", "De", "DEU", "276", "Germany", "D ", " D", "D E", "AD AE", "Ä", "\x00\x00"},
		"never assigned":      {"ZZ", "XX", "AA", "QO", "XA", "XK"},
		"groups of countries": {"EU", "EZ", "UN", "001", "150", "419"},
		"reserved":            {"UK", "AC", "CP", "DG", "EA", "FX", "IC", "TA"},
		"withdrawn":           {"AN", "BU", "CS", "DD", "NT", "SU", "TP", "YD", "YU", "ZR"},
	} {
		for _, code := range codes {
			assert.False(t, IsCountry(code), "%s: %q", what, code)
		}
	}
}
