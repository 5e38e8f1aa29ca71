package protection

import (
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/rs/zerolog"

	"haberdash/internal/telemetry/field"
)

// Five failures in a row open a circuit breaker. After openTime it is half-open and permits three requests at a time,
// as trials: three successes close it, one failure opens it again. There are several trials because an import may
// take minutes.
const (
	failuresToOpen   = 5
	successesToClose = 3
	openTime         = 2 * time.Second
)

// breaker adds two things to the library's circuit breaker. It ignores the results of requests that began before the
// last change of state, so that requests that time out long after the app has recovered do not open it again. And it
// returns the permit of a trial whose client left, which says nothing about the app.
type breaker struct {
	mu     sync.Mutex
	policy circuitbreaker.CircuitBreaker[any]
	period int // counts the changes of state
	log    zerolog.Logger
}

// result is what the end of a request says about the app.
type result int

const (
	failure result = iota
	success
	ignored // nothing: the client failed
)

func newBreaker(log zerolog.Logger) *breaker {
	return &breaker{log: log, policy: circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(failuresToOpen).
		WithSuccessThreshold(successesToClose).
		WithDelay(openTime).
		Build()}
}

// acquire permits a request, whose result must be recorded with the period that acquire returns. It fails with
// circuitbreaker.ErrOpen.
func (b *breaker) acquire() (period int, err error) {
	period = b.update(func() {
		if !b.policy.TryAcquirePermit() {
			err = circuitbreaker.ErrOpen
		}
	})
	return period, err
}

func (b *breaker) record(period int, r result) {
	b.update(func() {
		switch {
		case period != b.period:
		case r == success:
			b.policy.RecordSuccess()
		case r == failure:
			b.policy.RecordFailure()
		case b.policy.IsHalfOpen():
			b.renewTrials()
		}
	})
}

// renewTrials returns a permit: the library takes one back only with a success or a failure, but a new half-open
// state has all its permits. The successes before are recorded again. The trials in progress still count, so that more
// than three may be in progress for a moment.
func (b *breaker) renewTrials() {
	successes := b.policy.Metrics().Successes()
	b.policy.Open()
	b.policy.HalfOpen()
	for range successes {
		b.policy.RecordSuccess()
	}
}

// update makes a change to the policy, counts and logs a change of state, and returns the period after it.
func (b *breaker) update(change func()) (period int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.policy.State()
	change()
	if to := b.policy.State(); to != from {
		b.period++
		b.log.Warn().Stringer(field.BreakerFrom, from).Stringer(field.BreakerTo, to).Msg("circuit breaker changed its state")
	}
	return b.period
}
