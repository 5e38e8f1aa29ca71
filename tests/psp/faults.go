package psp

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Faults make a provider unreliable.
type Faults struct {
	// Rate is the share of calls, 0 to 1, that something happens to.
	Rate float64
	// Seed decides to which and what. Concurrent calls take their turns as they come.
	Seed uint64
	// Delay is how long a delayed answer takes at most; 300 ms if zero.
	Delay time.Duration
}

type fault int

const (
	none    fault = iota
	delayed       // answered later
	busy          // 429: the object is locked; nothing happens
	refused       // 500 before anything happens; the key stays unused
	failed        // 500 after nothing has happened; the key remembers that
	muddled       // 500 although it has happened; the key remembers that
	lost          // done, and the connection is cut before the answer
)

// chance draws faults.
type chance struct {
	Faults
	mu   sync.Mutex
	rand *rand.Rand
}

func newChance(f Faults) *chance {
	if f.Delay == 0 {
		f.Delay = 300 * time.Millisecond
	}
	return &chance{Faults: f, rand: rand.New(rand.NewPCG(f.Seed, f.Seed))}
}

func (c *chance) ofWrite() fault { return c.draw(delayed, busy, refused, failed, muddled, lost) }
func (c *chance) ofRead() fault  { return c.draw(delayed, busy, refused, lost) }

func (c *chance) draw(kinds ...fault) fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Rate == 0 || c.rand.Float64() >= c.Rate {
		return none
	}
	return kinds[c.rand.IntN(len(kinds))]
}

func (c *chance) delay() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rand.Int64N(int64(c.Delay)))
}

// stumble does what a fault does before a request begins, and reports whether that was its end.
func (s *Server) stumble(w http.ResponseWriter, r *http.Request, f fault) bool {
	switch f {
	case delayed:
		t := time.NewTimer(s.faults.delay())
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
	case busy:
		answer(w, refuse(http.StatusTooManyRequests, apiError{Type: invalidRequest, Code: "lock_timeout",
			Message: "This object cannot be accessed right now because another API request is accessing it."}))
		return true
	case refused:
		answer(w, result{status: http.StatusInternalServerError, body: internalError()})
		return true
	}
	return false
}
