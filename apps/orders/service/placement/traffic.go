package placement

import (
	"sync/atomic"
	"time"
)

// quietFor is the time after the last request from which on the placer counts as idle. Between requests in sequence
// there are shorter pauses.
const quietFor = 250 * time.Millisecond

// traffic knows whether requests are in progress.
type traffic struct {
	inProgress atomic.Int64
	lastEnd    atomic.Int64 // nanoseconds since 1970
}

// begin counts a request until end is called.
func (t *traffic) begin() (end func()) {
	t.inProgress.Add(1)
	return func() {
		t.lastEnd.Store(time.Now().UnixNano())
		t.inProgress.Add(-1)
	}
}

func (t *traffic) busy() bool {
	return t.inProgress.Load() > 0 || time.Since(time.Unix(0, t.lastEnd.Load())) < quietFor
}
