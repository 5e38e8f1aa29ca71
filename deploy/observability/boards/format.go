package boards

import (
	"math"
	"strconv"
)

// Format writes a value with its unit, in at most three digits where rounding does no harm: 0.0123 s is "12.3 ms".
func (u Unit) Format(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	switch u {
	case Seconds:
		return seconds(v)
	case Milliseconds:
		return seconds(v / 1000)
	case Ratio:
		return digits(v*100) + " %"
	case Bytes:
		return scaled(v, 1024, []string{" B", " KiB", " MiB", " GiB", " TiB"})
	case PerSecond:
		return scaled(v, 1000, []string{"", "k", "M"}) + "/s"
	case PerMinute:
		return scaled(v, 1000, []string{"", "k", "M"}) + "/min"
	}
	return scaled(v, 1000, []string{"", "k", "M", "G"})
}

func seconds(v float64) string {
	for _, unit := range []struct {
		below, is float64
		name      string
	}{{0.001, 1e-6, " µs"}, {1, 0.001, " ms"}, {120, 1, " s"}, {7200, 60, " min"}, {172800, 3600, " h"}} {
		if math.Abs(v) < unit.below && v != 0 {
			return digits(v/unit.is) + unit.name
		}
	}
	if v == 0 {
		return "0 s"
	}
	return digits(v/86400) + " d"
}

func scaled(v, base float64, units []string) string {
	i := 0
	for math.Abs(v) >= base && i < len(units)-1 {
		v, i = v/base, i+1
	}
	return digits(v) + units[i]
}

// digits writes a number with three significant digits, and whole numbers in full.
func digits(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e6 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	if math.Abs(v) < 0.001 {
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
