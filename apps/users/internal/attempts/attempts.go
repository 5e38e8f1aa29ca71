// Package attempts slows down repeated attempts, such as guesses of a password: some attempts are free, and each
// further one doubles the wait before the next. An account is never locked for good, and old attempts are forgotten.
package attempts

import "time"

// Policy is the policy for one kind of attempt.
type Policy struct {
	Free   int           // attempts before the first wait
	Base   time.Duration // the first wait
	Cap    time.Duration // the longest wait
	Forget time.Duration // a record without an attempt for this long counts as none; longer than Cap
}

// The policies. They allow about 300 guesses of one account's password in a day, from however many addresses. Its owner
// never waits longer than five minutes, and not at all on a device that is known: see signin.
var (
	// Guesser counts wrong passwords of an account from one client address, device or session.
	Guesser = Policy{Free: 5, Base: time.Second, Cap: 5 * time.Minute, Forget: time.Hour}
	// SignIn counts wrong passwords of an account from all clients that are not known.
	SignIn = Policy{Free: 20, Base: time.Second, Cap: 5 * time.Minute, Forget: time.Hour}
	// Address counts wrong passwords from a client address.
	Address = Policy{Free: 30, Base: time.Second, Cap: 5 * time.Minute, Forget: time.Hour}
	// SecondFactor counts second factors of an account after the right password. It allows about 100 guesses in a day,
	// of which each finds one of a million codes in three steps: one day of guesses succeeds once in 3,000.
	SecondFactor = Policy{Free: 5, Base: time.Second, Cap: 15 * time.Minute, Forget: 24 * time.Hour}
	// Asker counts mails to a mailbox that one client has asked for.
	Asker = Policy{Free: 5, Base: time.Minute, Cap: 6 * time.Hour, Forget: 24 * time.Hour}
	// Mail counts mails to a mailbox that all clients have asked for that are not known.
	Mail = Policy{Free: 10, Base: time.Minute, Cap: 6 * time.Hour, Forget: 24 * time.Hour}
)

// Record counts the attempts at one account, from one client address or for one mailbox. The zero value has none.
type Record struct {
	Count int
	Last  time.Time
}

// Wait returns how long the next attempt must wait, or zero if it may be made now.
func (p Policy) Wait(r Record, now time.Time) time.Duration {
	if r.Count < p.Free || now.Sub(r.Last) >= p.Forget {
		return 0
	}
	delay := p.Cap
	if shift := r.Count - p.Free; p.Base < p.Cap>>shift { // p.Base<<shift might overflow
		delay = p.Base << shift
	}
	return max(0, r.Last.Add(delay).Sub(now))
}

// Add returns the record with one more attempt.
func (p Policy) Add(r Record, now time.Time) Record {
	if now.Sub(r.Last) >= p.Forget {
		r.Count = 0
	}
	return Record{Count: r.Count + 1, Last: now.UTC()}
}
