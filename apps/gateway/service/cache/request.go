package cache

import (
	"net/http"
	"strings"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"
)

// wants is what a request asks of a cache (RFC 9111, section 5.2.1), in whole seconds; -1 is not said.
type wants struct{ maxAge, minFresh cacheobject.DeltaSeconds }

// passing are headers of requests that are no business of a shared cache: credentials, and what only the app can
// answer.
var passing = []string{"Authorization", "X-Order-Token", "Range", "If-Match", "If-Modified-Since", "If-Unmodified-Since"}

// wantsOf reads a GET or HEAD; ok is false for one that has to reach the app.
func wantsOf(r *http.Request) (w wants, ok bool) {
	if r.ContentLength != 0 {
		return w, false
	}
	for _, name := range passing {
		if _, there := r.Header[name]; there {
			return w, false
		}
	}
	w = wants{-1, -1}
	control, said := r.Header["Cache-Control"]
	if !said {
		return w, !strings.Contains(strings.ToLower(r.Header.Get("Pragma")), "no-cache")
	}
	d, err := cacheobject.ParseRequestCacheControl(strings.Join(control, ","))
	if err != nil || d.NoCache || d.NoStore {
		return w, false
	}
	return wants{d.MaxAge, d.MinFresh}, true
}

// allow tells whether an answer of that age is fresh, and fresh enough for the client.
func (w wants) allow(e *entry, age time.Duration) bool {
	return age < e.fresh && (w.maxAge < 0 || age <= duration(w.maxAge)) && age+duration(w.minFresh) < e.fresh
}

// fresher tells that the client wants no stale answer.
func (w wants) fresher() bool { return w.maxAge >= 0 || w.minFresh >= 0 }

// keyOf names what a request asks for: the path as it is meant, whatever way it is encoded (the guard has refused
// what could be read in two ways), and the query with its names in order.
func keyOf(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return r.URL.Path
	}
	return r.URL.Path + "?" + r.URL.Query().Encode()
}
