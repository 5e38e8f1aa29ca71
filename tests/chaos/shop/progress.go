package shop

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// Progress counts the final answers that buyers have got. The times of a plan are such counts, so that a kill comes at
// the same place of every run, however long an outage takes and however fast the shop is.
type Progress struct {
	answers atomic.Int64
	limit   atomic.Int64 // no purchase begins above so many answers
}

func newProgress() *Progress {
	p := &Progress{}
	p.removeLimit()
	return p
}

func (p *Progress) setLimit(answers int64) { p.limit.Store(answers) }

func (p *Progress) removeLimit() { p.limit.Store(math.MaxInt64) }

// AddAnswer counts a final answer.
func (p *Progress) AddAnswer() { p.answers.Add(1) }

// Answers returns the number of final answers.
func (p *Progress) Answers() int64 { return p.answers.Load() }

// WaitFor waits until there are so many answers, or until end is closed, because no more answers come.
func (p *Progress) WaitFor(ctx context.Context, answers int64, end <-chan struct{}) error {
	for p.Answers() < answers {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// WaitForKill waits while a kill is due, so that no new purchase begins before it.
func (p *Progress) WaitForKill(ctx context.Context) error {
	for p.Answers() > p.limit.Load() {
		if !Sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}
