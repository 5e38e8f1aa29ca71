package psp

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Faults make a provider unreliable, at random.
type Faults struct {
	// Rate is the share of calls that fail or are delayed, from 0 to 1.
	Rate float64
	// Seed decides which calls fail and how. With the same seed, the nth call has the same fault; concurrent calls are
	// counted in the order in which they arrive.
	Seed uint64
	// Delay is the longest delay of an answer; 300 ms if it is zero.
	Delay time.Duration
}

// A fault happens to one call.
type fault int

const (
	noFault         fault = iota
	delayed               // the answer is delayed
	locked                // 429 because the object is locked; the call is not executed
	failedUnstarted       // 500 before the call is executed; its idempotency key stays unused
	failedUnchanged       // 500 and the call changes nothing; its key stores this answer
	failedChanged         // 500 although the call makes its change; its key stores this answer
	unanswered            // the call is executed, and the connection is cut before the answer
)

// faultSource draws faults at random.
type faultSource struct {
	Faults
	mu   sync.Mutex
	rand *rand.Rand
}

func newFaultSource(f Faults) *faultSource {
	if f.Delay == 0 {
		f.Delay = 300 * time.Millisecond
	}
	return &faultSource{Faults: f, rand: rand.New(rand.NewPCG(f.Seed, f.Seed))}
}

func (c *faultSource) drawForWrite() fault {
	return c.draw(delayed, locked, failedUnstarted, failedUnchanged, failedChanged, unanswered)
}

func (c *faultSource) drawForRead() fault {
	return c.draw(delayed, locked, failedUnstarted, unanswered)
}

func (c *faultSource) draw(kinds ...fault) fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Rate == 0 || c.rand.Float64() >= c.Rate {
		return noFault
	}
	return kinds[c.rand.IntN(len(kinds))]
}

func (c *faultSource) delay() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rand.Int64N(int64(c.Delay)))
}

// failBefore applies the faults that occur before a request is executed. It returns true if it has answered the
// request.
func (s *Server) failBefore(w http.ResponseWriter, r *http.Request, f fault) bool {
	switch f {
	case delayed:
		t := time.NewTimer(s.faults.delay())
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
		}
	case locked:
		answer(w, refuse(http.StatusTooManyRequests, apiError{Type: invalidRequest, Code: "lock_timeout",
			Message: "This object cannot be accessed right now because another API request is accessing it."}))
		return true
	case failedUnstarted:
		answer(w, result{status: http.StatusInternalServerError, body: internalError()})
		return true
	}
	return false
}
