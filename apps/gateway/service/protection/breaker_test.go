package protection

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// begin starts a request that must be permitted, and returns how to end it.
func begin(t *testing.T, b *breaker) (end func(result)) {
	t.Helper()
	period, err := b.acquire()
	require.NoError(t, err)
	return func(r result) { b.record(period, r) }
}

// openBreaker returns a breaker that opened just now.
func openBreaker(t *testing.T) *breaker {
	t.Helper()
	b := newBreaker(zerolog.Nop())
	for range failuresToOpen {
		begin(t, b)(failure)
	}
	requireOpen(t, b)
	return b
}

func requireOpen(t *testing.T, b *breaker) {
	t.Helper()
	_, err := b.acquire()
	require.Error(t, err)
}

func TestBreakerOpensAfterFailuresInARow(t *testing.T) {
	t.Parallel()
	b := newBreaker(zerolog.Nop())
	for range 10 {
		for range failuresToOpen - 1 {
			begin(t, b)(failure)
			begin(t, b)(ignored)
		}
		begin(t, b)(success)
	}
	for range failuresToOpen {
		begin(t, b)(failure)
	}
	requireOpen(t, b)
}

func TestHalfOpenBreakerPermitsThreeTrialsAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBreaker(t)
		time.Sleep(openTime)
		one, two, three := begin(t, b), begin(t, b), begin(t, b)
		requireOpen(t, b)
		one(success)
		two(success)
		three(success)
		for range 10 {
			begin(t, b)
		}
	})
}

func TestConcurrentRequestsGetThreeTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBreaker(t)
		time.Sleep(openTime)
		var permitted atomic.Int64
		var all sync.WaitGroup
		start := make(chan struct{})
		for range 20 {
			all.Go(func() {
				<-start
				if _, err := b.acquire(); err == nil {
					permitted.Add(1)
				}
			})
		}
		close(start)
		all.Wait()
		require.EqualValues(t, successesToClose, permitted.Load())
	})
}

func TestFailedTrialOpensTheBreakerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBreaker(t)
		time.Sleep(openTime)
		begin(t, b)(success)
		begin(t, b)(failure)
		requireOpen(t, b)
		time.Sleep(openTime)
		for range successesToClose {
			begin(t, b)(success)
		}
		for range failuresToOpen - 1 {
			begin(t, b)(failure)
		}
		begin(t, b)
	})
}

func TestTrialsWhoseClientsLeaveDecideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := openBreaker(t)
		time.Sleep(openTime)
		begin(t, b)(success)
		honest := begin(t, b)
		for range 10 {
			begin(t, b)(ignored)
		}
		honest(success)
		begin(t, b)(ignored)
		begin(t, b)(success) // the third, whatever was between
		for range failuresToOpen - 1 {
			begin(t, b)(failure)
		}
		begin(t, b)
	})
}

// An app hangs, the breaker opens, the app recovers, and only then the old requests time out.
func TestRequestsFromBeforeTheBreakerOpenedDoNotOpenItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(zerolog.Nop())
		var old []func(result)
		for range 20 {
			old = append(old, begin(t, b))
		}
		for _, end := range old[:failuresToOpen] {
			end(failure)
		}
		requireOpen(t, b)
		time.Sleep(openTime)
		begin(t, b)(success)
		old[5](failure)
		begin(t, b)(success)
		begin(t, b)(success)
		for _, end := range old[6:] {
			end(failure)
		}
		begin(t, b)
	})
}
