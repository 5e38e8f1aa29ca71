package protection

import (
	"net/http"
	"strconv"
	"strings"

	"haberdash/internal/httpx"
)

// AcceptsGzip reports whether a client accepts gzip (RFC 9110, section 12.5.3).
func AcceptsGzip(r *http.Request) bool {
	weight, named := codingWeight(r.Header["Accept-Encoding"], "gzip")
	return named && weight > 0
}

// acceptsNothing reports whether a client refuses all codings that the gateway has: gzip, and none.
func acceptsNothing(r *http.Request) bool {
	sent := r.Header["Accept-Encoding"]
	if len(sent) == 0 {
		return false
	}
	identity, named := codingWeight(sent, "identity")
	return named && identity == 0 && !AcceptsGzip(r)
}

// codingWeight returns the weight of a coding in the lists of Accept-Encoding. named is false if neither the coding nor
// * is in them. A weight that is not a number counts as 0.
func codingWeight(lists []string, coding string) (weight float64, named bool) {
	exact := false
	for _, list := range lists {
		for element := range strings.SplitSeq(list, ",") {
			name, parameters, weighted := strings.Cut(element, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name != coding && (name != "*" || exact) {
				continue
			}
			exact, named, weight = name == coding, true, 1
			if weighted {
				_, q, _ := strings.Cut(parameters, "=")
				weight, _ = strconv.ParseFloat(strings.TrimSpace(q), 64)
			}
		}
	}
	return weight, named
}

// writeNotAcceptable answers a client that refuses all codings.
func writeNotAcceptable(w http.ResponseWriter) {
	p := &httpx.Problem{
		Type: httpx.ProblemBase + "not-acceptable", Title: http.StatusText(http.StatusNotAcceptable),
		Status: http.StatusNotAcceptable, Detail: "Accept-Encoding refuses every coding that there is: gzip, and none.",
	}
	w.Header().Set("Vary", "Accept-Encoding")
	p.Write(w)
}
