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
)

// entry is a kept answer. Nothing in it changes.
type entry struct {
	generation uint64
	born       time.Time // when it was asked for, less the age it came with (RFC 9111, section 4.2.3)
	fresh      time.Duration
	// For so long after it is no longer fresh (RFC 5861, sections 3 and 4).
	whileRevalidating, ifError time.Duration

	header http.Header
	body   []byte
	vary   map[string]string // the request's, of the selecting headers that the answer depends on
}

// entryOf makes an entry of an answer that may be kept (RFC 9111, section 3), nil of another. How long is never
// guessed.
func (c *Cache) entryOf(r *http.Request, a *recorder, sent time.Time) *entry {
	if a.status != http.StatusOK || len(a.header["Set-Cookie"]) > 0 {
		return nil
	}
	d, err := cacheobject.ParseResponseCacheControl(strings.Join(a.header["Cache-Control"], ","))
	if err != nil || d.NoStore || d.NoCachePresent || d.PrivatePresent {
		return nil
	}
	fresh := d.MaxAge
	if d.SMaxAge >= 0 {
		fresh = d.SMaxAge
	}
	if fresh <= 0 {
		return nil
	}
	e := &entry{born: sent, fresh: duration(fresh), header: a.header, body: a.body}
	if !d.MustRevalidate && !d.ProxyRevalidate && d.SMaxAge < 0 { // section 5.2.2: these forbid to serve it stale
		e.whileRevalidating, e.ifError = duration(d.StaleWhileRevalidate), duration(d.StaleIfError)
	}
	if age, err := strconv.Atoi(a.header.Get("Age")); err == nil && age > 0 {
		e.born = e.born.Add(-time.Duration(age) * time.Second)
	}
	for _, list := range a.header["Vary"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name == "*" {
				return nil
			} else if slices.Contains(selecting, name) {
				if e.vary == nil {
					e.vary = map[string]string{}
				}
				e.vary[name] = strings.Join(r.Header[name], ",")
			}
		}
	}
	for name, values := range e.header {
		e.header[name] = slices.Clip(values) // see send
	}
	delete(e.header, "Age")
	delete(e.header, "Cache-Status")
	e.header["Content-Length"] = []string{strconv.Itoa(len(e.body))}
	return e
}

func duration(d cacheobject.DeltaSeconds) time.Duration {
	return time.Duration(max(0, d)) * time.Second
}

// suits tells whether the answer is the one that a request selects (RFC 9111, section 4.1).
func (e *entry) suits(r *http.Request) bool {
	for name, value := range e.vary {
		if strings.Join(r.Header[name], ",") != value {
			return false
		}
	}
	return true
}

// weight is about what the entry takes in memory.
func (e *entry) weight(key string) uint32 {
	n := 512 + len(key) + len(e.body)
	for name, values := range e.header {
		for _, v := range values {
			n += len(name) + len(v) + 48
		}
	}
	return uint32(min(n, math.MaxUint32))
}

const statusName = "haberdash; " // of this cache in Cache-Status; what follows it are parameters

// write answers from memory.
func (e *entry) write(w http.ResponseWriter, r *http.Request, age time.Duration, status string) {
	w.Header()["Age"] = []string{seconds(age)}
	send(w, e.header, status)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(e.body)
	}
}

// send puts an app's header beside what the gateway has set already. The values are shared: they have no room to be
// appended to.
func send(w http.ResponseWriter, header http.Header, status string) {
	vary := w.Header()["Vary"]
	maps.Copy(w.Header(), header)
	if len(vary) > 0 {
		w.Header()["Vary"] = slices.Concat(vary, header["Vary"])
	}
	w.Header()["Cache-Status"] = []string{statusName + status}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Floor(d.Seconds()))) }
