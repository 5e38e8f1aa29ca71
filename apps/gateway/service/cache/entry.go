package cache

import (
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/cachecontrol/cacheobject"

	"haberdash/apps/gateway/service/protection"
)

// entry is a stored answer. It is immutable.
type entry struct {
	generation uint64
	created    time.Time     // when the request was sent, less the age that the answer had (RFC 9111, section 4.2.3)
	lifetime   time.Duration // how long the entry is fresh
	// How long a stale entry may be served (RFC 5861, sections 3 and 4).
	staleWhileRevalidate, staleIfError time.Duration

	header http.Header
	body   []byte
	zipped []byte            // the body compressed with gzip; nil if it is not sent compressed
	vary   map[string]string // the values of the request headers on which the answer depends
}

// newEntry returns an entry of an answer that may be stored (RFC 9111, section 3), and nil of another. It never
// guesses a lifetime.
func (c *Cache) newEntry(r *http.Request, a *recorder, sent time.Time) *entry {
	if a.status != http.StatusOK || len(a.header["Set-Cookie"]) > 0 {
		return nil
	}
	d, err := cacheobject.ParseResponseCacheControl(strings.Join(a.header["Cache-Control"], ","))
	if err != nil || d.NoStore || d.NoCachePresent || d.PrivatePresent {
		return nil
	}
	lifetime := d.MaxAge
	if d.SMaxAge >= 0 {
		lifetime = d.SMaxAge
	}
	if lifetime <= 0 {
		return nil
	}
	e := &entry{created: sent, lifetime: duration(lifetime), header: a.header, body: a.body}
	if !d.MustRevalidate && !d.ProxyRevalidate && d.SMaxAge < 0 { // section 5.2.2: these forbid stale answers
		e.staleWhileRevalidate, e.staleIfError = duration(d.StaleWhileRevalidate), duration(d.StaleIfError)
	}
	if age, err := strconv.Atoi(a.header.Get("Age")); err == nil && age > 0 {
		e.created = e.created.Add(-time.Duration(age) * time.Second)
	}
	for _, list := range a.header["Vary"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name == "*" {
				return nil
			} else if slices.Contains(varyHeaders, name) {
				if e.vary == nil {
					e.vary = map[string]string{}
				}
				e.vary[name] = strings.Join(r.Header[name], ",")
			}
		}
	}
	for name, values := range e.header {
		e.header[name] = slices.Clip(values) // see copyHeader
	}
	delete(e.header, "Age")
	delete(e.header, "Cache-Status")
	e.header["Content-Length"] = []string{strconv.Itoa(len(e.body))}
	e.zipped = c.compress(r, e.header, e.body)
	return e
}

func duration(d cacheobject.DeltaSeconds) time.Duration {
	return time.Duration(max(0, d)) * time.Second
}

// matches reports whether the entry is the answer that a request selects (RFC 9111, section 4.1).
func (e *entry) matches(r *http.Request) bool {
	for name, value := range e.vary {
		if strings.Join(r.Header[name], ",") != value {
			return false
		}
	}
	return true
}

// weight estimates the entry's memory in bytes.
func (e *entry) weight(key string) uint32 {
	n := 512 + len(key) + len(e.body) + len(e.zipped)
	for name, values := range e.header {
		for _, v := range values {
			n += len(name) + len(v) + 48
		}
	}
	return uint32(min(n, math.MaxUint32))
}

const statusName = "haberdash; " // the name of this cache in Cache-Status, before the parameters

// write answers a request with the entry.
func (e *entry) write(w http.ResponseWriter, r *http.Request, age time.Duration, status string) {
	w.Header()["Age"] = []string{seconds(age)}
	e.send(w, r, status)
}

// send answers a request with the entry, which is as new as an answer can be.
func (e *entry) send(w http.ResponseWriter, r *http.Request, status string) {
	body := e.body
	copyHeader(w, e.header, status)
	if e.zipped != nil && protection.AcceptsGzip(r) {
		body = e.zipped
		w.Header()["Content-Encoding"] = []string{"gzip"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
		Weaken(w.Header())
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // an error: the client has left
	}
}

// Weaken makes the ETag of an answer weak, because it has been compressed.
func Weaken(h http.Header) {
	if tag := h.Get("ETag"); strings.HasPrefix(tag, `"`) {
		h["Etag"] = []string{"W/" + tag}
	}
}

// copyHeader adds an app's header to the one that the gateway has set. The slices of values are shared by all
// requests. They have no spare capacity, so that appending to one copies it.
func copyHeader(w http.ResponseWriter, header http.Header, status string) {
	vary := w.Header()["Vary"]
	maps.Copy(w.Header(), header)
	if len(vary) > 0 {
		w.Header()["Vary"] = slices.Concat(vary, header["Vary"])
	}
	w.Header()["Cache-Status"] = []string{statusName + status}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Floor(d.Seconds()))) }
