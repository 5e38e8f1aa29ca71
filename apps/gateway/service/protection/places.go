package protection

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"haberdash/internal/fault"
	"haberdash/internal/identity"
)

// Kind is a kind of request. Each kind has places of its own, so that requests that take minutes leave those that take
// milliseconds alone.
type Kind int

// The kinds of requests.
const (
	Ordinary Kind = iota
	Import
	Stream
)

// maxPlaces bounds the requests to one app that are in progress. Requests wait in the gateway's memory while an app is
// slow.
var maxPlaces = map[Kind]int{Ordinary: 1000, Import: 40, Stream: 1000}

// places bound the requests of one kind that are in progress, altogether and by caller. A request counts for its
// address, and also for its user if the caller is signed in: nobody gets more by opening accounts, or by signing in
// from many addresses. The map has an entry only for callers with a request in progress.
type places struct {
	max, share int

	mu    sync.Mutex
	taken int
	by    map[string]int // by caller
}

// newPlaces returns places of which one caller may have a share, in percent; 0 means all of them.
func newPlaces(most, share int) *places {
	if share == 0 {
		share = 100
	}
	return &places{max: most, share: max(1, most*share/100), by: map[string]int{}}
}

var errFull = errors.New("too many requests in progress")

var errShare = fault.New(fault.TooMany, "too-many-requests",
	"Too many requests of this caller are in progress. Wait until some of them have ended.").After(time.Second)

// acquire takes a place. It fails with errFull, or with the problem errShare.
func (p *places) acquire(r *http.Request) (release func(), err error) {
	address, user := addressKey(r), userKey(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.by[address] >= p.share || (user != "" && p.by[user] >= p.share):
		if p.share < p.max {
			return nil, errShare
		}
		return nil, errFull
	case p.taken >= p.max:
		return nil, errFull
	}
	p.add(1, address, user)
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.add(-1, address, user)
	}), nil
}

// inUse returns how many places are taken.
func (p *places) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// add counts requests that begin or end, while mu is held.
func (p *places) add(n int, callers ...string) {
	p.taken += n
	for _, c := range callers {
		if c == "" {
			continue
		}
		if p.by[c] += n; p.by[c] == 0 {
			delete(p.by, c)
		}
	}
}

// userKey identifies the user who sends a request, "" for a guest.
func userKey(r *http.Request) string {
	if caller := identity.Of(r.Context()); caller.Known() {
		return "user " + caller.UserID
	}
	return ""
}
