// Package allowance bounds the mails to one mailbox in time. Anybody can order for any address, so the owner of a
// mailbox must not get mail without bound.
package allowance

import "time"

const (
	// Mails is how many mails a mailbox may get at once.
	Mails = 10
	// Every is the time after which it may get a further one.
	Every = time.Hour
)

// Allowance is what a mailbox may still get: a token bucket. The zero value is the whole allowance.
type Allowance struct {
	WholeAt time.Time `json:"wholeAt"` // when the allowance is whole again, without further mails
}

// Permits reports whether the mailbox may get a mail now.
func (a Allowance) Permits(now time.Time) bool { return a.WholeAt.Sub(now) <= (Mails-1)*Every }

// Use returns the allowance after one more mail.
func (a Allowance) Use(now time.Time) Allowance {
	from := now
	if a.WholeAt.After(now) {
		from = a.WholeAt
	}
	return Allowance{from.Add(Every).UTC()}
}

// Life is how long the allowance differs from a whole one.
func (a Allowance) Life(now time.Time) time.Duration { return a.WholeAt.Sub(now) }
