// Package attempts slows repeated attempts down: some are free, after which each doubles the wait.
// Nobody is locked out for good, and what is old is forgotten.
package attempts

import "time"

// Policy of one kind of attempt.
type Policy struct {
	Free   int           // attempts before the first wait
	Base   time.Duration // the first wait
	Cap    time.Duration // no wait is longer
	Forget time.Duration // a record untouched for this long counts for nothing; more than Cap
}

// The policies. A guesser gets about 300 passwords a day at one account, and an account's owner never
// waits longer than five minutes.
var (
	SignIn  = Policy{Free: 5, Base: time.Second, Cap: 5 * time.Minute, Forget: time.Hour}    // failures, by account
	Address = Policy{Free: 30, Base: time.Second, Cap: 5 * time.Minute, Forget: time.Hour}   // failures, by client address
	Mail    = Policy{Free: 5, Base: time.Minute, Cap: 6 * time.Hour, Forget: 24 * time.Hour} // mails, by mailbox
)

// Record counts the attempts of one account, client address or mailbox. The zero value is none.
type Record struct {
	Count int
	Last  time.Time
}

// Wait is how long the next attempt has to wait; zero if it may be made now.
func (p Policy) Wait(r Record, now time.Time) time.Duration {
	if r.Count < p.Free || now.Sub(r.Last) >= p.Forget {
		return 0
	}
	delay := p.Cap
	if shift := r.Count - p.Free; p.Base < p.Cap>>shift { // p.Base<<shift would overflow
		delay = p.Base << shift
	}
	return max(0, r.Last.Add(delay).Sub(now))
}

// Add counts one more attempt.
func (p Policy) Add(r Record, now time.Time) Record {
	if now.Sub(r.Last) >= p.Forget {
		r.Count = 0
	}
	return Record{Count: r.Count + 1, Last: now.UTC()}
}
