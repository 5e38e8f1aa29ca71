// Package session holds the rules of staying signed in:
//
//  1. A sign-in opens a session; its refresh token serves once, and brings the next one.
//  2. A token that was used already and comes again has been copied: the session ends for whoever holds it.
//  3. A session ends 30 days after its last use and 90 days after it was opened.
//  4. A session opened under an earlier password (epoch) is over.
//  5. A customer has at most 50 sessions; the one unused for longest makes room.
package session

import (
	"crypto/subtle"
	"slices"
	"time"

	"haberdash/internal/fault"
)

// Limits.
const (
	Idle    = 30 * 24 * time.Hour
	Longest = 90 * 24 * time.Hour
	Most    = 50
)

// Session is one signed-in device.
type Session struct {
	ID        string
	Family    string // Digest of the tokens' common part
	Current   string // Digest of the secret that serves next; empty once reuse was seen
	Epoch     int    // of the account when it was opened
	CreatedAt time.Time
	UsedAt    time.Time
	UserAgent string
}

// ExpiresAt is when the session ends if it is not used before (rule 3).
func (s Session) ExpiresAt() time.Time {
	idle, longest := s.UsedAt.Add(Idle), s.CreatedAt.Add(Longest)
	if idle.Before(longest) {
		return idle
	}
	return longest
}

func (s Session) live(epoch int, now time.Time) bool {
	return s.Current != "" && s.Epoch == epoch && now.Before(s.ExpiresAt())
}

// Book is all sessions of one customer, ended ones included for as long as they can be misused.
type Book struct{ sessions []Session }

// Restore gives the book that was stored.
func Restore(sessions []Session) *Book { return &Book{slices.Clone(sessions)} }

// Sessions gives a copy of what is to be stored.
func (b *Book) Sessions() []Session { return slices.Clone(b.sessions) }

// Open begins a session with the token as the first of its family (rules 1 and 5).
func (b *Book) Open(t Token, epoch int, userAgent string, now time.Time) {
	b.sessions = slices.DeleteFunc(b.sessions, func(s Session) bool { return s.Epoch < epoch || !now.Before(s.ExpiresAt()) })
	for len(b.sessions) >= Most {
		oldest := 0
		for i, s := range b.sessions {
			if s.UsedAt.Before(b.sessions[oldest].UsedAt) {
				oldest = i
			}
		}
		b.sessions = slices.Delete(b.sessions, oldest, oldest+1)
	}
	b.sessions = append(b.sessions, Session{
		ID: t.SessionID, Family: Digest(t.Family), Current: Digest(t.Secret), Epoch: epoch,
		CreatedAt: now.UTC(), UsedAt: now.UTC(), UserAgent: userAgent,
	})
}

var (
	errInvalid = fault.New(fault.Unauthenticated, "invalid-token", "The refresh token is not valid or has expired. Sign in again.")
	errReused  = fault.New(fault.Unauthenticated, "token-reused", "This refresh token was used before, so its session has been ended. Sign in again.")
)

// Rotate lets the token serve and puts the next secret in its place. Errors: invalid-token (401);
// token-reused (401), after which the book has changed and must be stored too (rule 2).
func (b *Book) Rotate(t Token, next string, epoch int, now time.Time) error {
	i := slices.IndexFunc(b.sessions, func(s Session) bool { return s.ID == t.SessionID })
	if i < 0 || !equal(b.sessions[i].Family, Digest(t.Family)) {
		return errInvalid // proves nothing, so it must not end anybody's session
	}
	s := &b.sessions[i]
	if s.Epoch != epoch || !now.Before(s.ExpiresAt()) {
		return errInvalid
	}
	if !equal(s.Current, Digest(t.Secret)) {
		s.Current = ""
		return errReused
	}
	s.Current, s.UsedAt = Digest(next), now.UTC()
	return nil
}

// Reused is the error of a token presented again.
func Reused(err error) bool { return fault.Is(err, errReused.Type) }

// Knows reports whether the token belongs to a session of the book, used or not.
func (b *Book) Knows(t Token) bool {
	return slices.ContainsFunc(b.sessions, func(s Session) bool { return s.ID == t.SessionID && equal(s.Family, Digest(t.Family)) })
}

// Live gives the sessions that can go on, the one used last first.
func (b *Book) Live(epoch int, now time.Time) []Session {
	var live []Session
	for _, s := range b.sessions {
		if s.live(epoch, now) {
			live = append(live, s)
		}
	}
	slices.SortStableFunc(live, func(x, y Session) int { return y.UsedAt.Compare(x.UsedAt) })
	return live
}

// IsLive reports whether the session with this id can go on.
func (b *Book) IsLive(id string, epoch int, now time.Time) bool {
	return slices.ContainsFunc(b.sessions, func(s Session) bool { return s.ID == id && s.live(epoch, now) })
}

// End ends a session; false if there is none with this id.
func (b *Book) End(id string) bool {
	n := len(b.sessions)
	b.sessions = slices.DeleteFunc(b.sessions, func(s Session) bool { return s.ID == id })
	return len(b.sessions) < n
}

// Keep carries one live session over to a new epoch and ends all others of before (rule 4).
func (b *Book) Keep(id string, from, to int, now time.Time) {
	b.sessions = slices.DeleteFunc(b.sessions, func(s Session) bool {
		return s.Epoch != to && (s.ID != id || !s.live(from, now))
	})
	for i := range b.sessions {
		b.sessions[i].Epoch = to
	}
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
