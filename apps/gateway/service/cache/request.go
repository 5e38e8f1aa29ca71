package cache

import (
	"net/http"
	"strings"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"
)

// demands are what a request demands of a cached answer (RFC 9111, section 5.2.1), in whole seconds. -1 means no
// demand.
type demands struct{ maxAge, minFresh cacheobject.DeltaSeconds }

// bypassHeaders are the headers of requests that a shared cache must not answer: credentials, and conditions that
// only the app can check.
var bypassHeaders = []string{
	"Authorization", "X-Order-Token", "Range", "If-Match", "If-Modified-Since", "If-Unmodified-Since",
}

// parseDemands reads the demands of a GET or HEAD. cacheable is false for a request that must be forwarded.
func parseDemands(r *http.Request) (d demands, cacheable bool) {
	if r.ContentLength != 0 {
		return d, false
	}
	for _, name := range bypassHeaders {
		if _, set := r.Header[name]; set {
			return d, false
		}
	}
	d = demands{-1, -1}
	control, set := r.Header["Cache-Control"]
	if !set {
		return d, !strings.Contains(strings.ToLower(r.Header.Get("Pragma")), "no-cache")
	}
	directives, err := cacheobject.ParseRequestCacheControl(strings.Join(control, ","))
	if err != nil || directives.NoCache || directives.NoStore {
		return d, false
	}
	return demands{directives.MaxAge, directives.MinFresh}, true
}

// allow reports whether an entry of an age is fresh, and fresh enough for the client.
func (d demands) allow(e *entry, age time.Duration) bool {
	return age < e.lifetime && (d.maxAge < 0 || age <= duration(d.maxAge)) && age+duration(d.minFresh) < e.lifetime
}

// freshness reports whether the client demands an answer that is not stale.
func (d demands) freshness() bool { return d.maxAge >= 0 || d.minFresh >= 0 }

// keyOf identifies what a request asks for: the decoded path, and the query with its names in order. A decoded path
// is unambiguous, because the gateway has refused paths that can be read in two ways; but it may have a question mark.
// No path has the control character that separates it from the query.
func keyOf(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return r.URL.Path
	}
	return r.URL.Path + "\x00" + r.URL.Query().Encode()
}
