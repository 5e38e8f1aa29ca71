// Package session holds the rules of sessions:
//
//  1. A sign-in opens a session. Each of its refresh tokens is valid once and is exchanged for the next one, its
//     successor.
//  2. A refresh token that is used twice was copied. Its session ends, whoever has the current token.
//  3. A session ends 30 days after its last use, and at most 90 days after it was opened.
//  4. A session that was opened under an earlier password (epoch) has ended.
//  5. A user has at most 50 sessions. A new one replaces the one that was unused for the longest time.
//  6. Rule 2 has one exception: for ten seconds after its first use, a token is exchanged again, for the same
//     successor. So two tabs that refresh at once, or a client that lost the answer, stay signed in. The exception ends
//     when the successor is used: then its owner has got the answer, and an honest client needs the old token no more.
package session

import (
	"crypto/subtle"
	"slices"
	"time"

	"haberdash/internal/fault"
)

// Limits.
const (
	MaxIdle     = 30 * 24 * time.Hour
	MaxLifetime = 90 * 24 * time.Hour
	MaxSessions = 50
)

// Grace is how long after its first use a token is exchanged for the same successor again (rule 6).
const Grace = 10 * time.Second

// Session is one signed-in device.
type Session struct {
	ID        string
	Family    string // Digest of the part that all tokens of the session share
	Current   string // Digest of the secret of the token that is valid; empty after a token was used twice
	Previous  string // Digest of the secret of the token before that; empty if there is none
	Epoch     int    // of the account when the session was opened
	CreatedAt time.Time
	UsedAt    time.Time
	UserAgent string
	Factor    string // the kind of second factor that its owner has proven; empty if none
}

// ExpiresAt returns when the session ends if it is not used before (rule 3).
func (s Session) ExpiresAt() time.Time {
	idle, longest := s.UsedAt.Add(MaxIdle), s.CreatedAt.Add(MaxLifetime)
	if idle.Before(longest) {
		return idle
	}
	return longest
}

func (s Session) live(epoch int, now time.Time) bool {
	return s.Current != "" && s.Epoch == epoch && now.Before(s.ExpiresAt())
}

// List has all sessions of one user, and ended ones as long as their tokens may be misused. It is not safe for
// concurrent use.
type List struct{ sessions []Session }

// Restore makes a list of stored sessions.
func Restore(sessions []Session) *List { return &List{slices.Clone(sessions)} }

// All returns a copy of all sessions, for a store.
func (l *List) All() []Session { return slices.Clone(l.sessions) }

// Open opens a session with t as its first token (rules 1 and 5). factor is the kind of second factor that was proven,
// or empty.
func (l *List) Open(t Token, epoch int, userAgent, factor string, now time.Time) {
	l.sessions = slices.DeleteFunc(l.sessions, func(s Session) bool {
		return s.Epoch < epoch || !now.Before(s.ExpiresAt())
	})
	for len(l.sessions) >= MaxSessions {
		oldest := 0
		for i, s := range l.sessions {
			if s.UsedAt.Before(l.sessions[oldest].UsedAt) {
				oldest = i
			}
		}
		l.sessions = slices.Delete(l.sessions, oldest, oldest+1)
	}
	l.sessions = append(l.sessions, Session{
		ID: t.SessionID, Family: Digest(t.Family), Current: Digest(t.Secret), Epoch: epoch,
		CreatedAt: now.UTC(), UsedAt: now.UTC(), UserAgent: userAgent, Factor: factor,
	})
}

// ErrInvalid is the error for a refresh token that is not valid: invalid-token (401).
var ErrInvalid = fault.New(fault.Unauthenticated, "invalid-token",
	"The refresh token is not valid or has expired. Sign in again.")

var errReused = fault.New(fault.Unauthenticated, "token-reused",
	"This refresh token was used before, so its session has been ended. Sign in again.")

// Rotation is the result of Rotate.
type Rotation struct {
	At       time.Time // when the token was used first
	Repeated bool      // it was used before (rule 6), and the list has not changed
	Factor   string    // of the session
}

// Rotate exchanges the token for its successor, which has the secret next. The caller derives next from the token, so
// that a repeated use yields the same successor. Errors: invalid-token (401); token-reused (401), with which the
// session has ended and the list must be stored too (rule 2).
func (l *List) Rotate(t Token, next string, epoch int, now time.Time) (Rotation, error) {
	i := slices.IndexFunc(l.sessions, func(s Session) bool { return s.ID == t.SessionID })
	if i < 0 || !equal(l.sessions[i].Family, Digest(t.Family)) {
		return Rotation{}, ErrInvalid // a guess, which must not end the session of a user
	}
	s := &l.sessions[i]
	if s.Epoch != epoch || !now.Before(s.ExpiresAt()) {
		return Rotation{}, ErrInvalid
	}
	presented := Digest(t.Secret)
	switch {
	case equal(s.Current, presented):
		s.Previous, s.Current, s.UsedAt = presented, Digest(next), now.UTC()
		return Rotation{At: s.UsedAt, Factor: s.Factor}, nil
	case equal(s.Previous, presented) && equal(s.Current, Digest(next)) && now.Sub(s.UsedAt) < Grace:
		return Rotation{At: s.UsedAt, Repeated: true, Factor: s.Factor}, nil
	}
	s.Current = ""
	return Rotation{}, errReused
}

// IsReused reports whether err is the error of Rotate for a token that was used twice.
func IsReused(err error) bool { return fault.Is(err, errReused.Type) }

// Issued reports whether the token belongs to a session of the list, whether or not it is still valid.
func (l *List) Issued(t Token) bool {
	return slices.ContainsFunc(l.sessions, func(s Session) bool {
		return s.ID == t.SessionID && equal(s.Family, Digest(t.Family))
	})
}

// Live returns the sessions that have not ended, the most recently used first.
func (l *List) Live(epoch int, now time.Time) []Session {
	var live []Session
	for _, s := range l.sessions {
		if s.live(epoch, now) {
			live = append(live, s)
		}
	}
	slices.SortStableFunc(live, func(x, y Session) int { return y.UsedAt.Compare(x.UsedAt) })
	return live
}

// IsLive reports whether there is a session with the id that has not ended.
func (l *List) IsLive(id string, epoch int, now time.Time) bool {
	return slices.ContainsFunc(l.sessions, func(s Session) bool { return s.ID == id && s.live(epoch, now) })
}

// Factor returns the kind of second factor that the owner of a live session has proven, or nothing.
func (l *List) Factor(id string, epoch int, now time.Time) string {
	for _, s := range l.Live(epoch, now) {
		if s.ID == id {
			return s.Factor
		}
	}
	return ""
}

// Prove records that the owner of a session has proven a second factor, and ends the sessions whose owners have not:
// the password alone does not open a session any more.
func (l *List) Prove(id, factor string) {
	for i, s := range l.sessions {
		if s.ID == id {
			l.sessions[i].Factor = factor
		}
	}
	l.sessions = slices.DeleteFunc(l.sessions, func(s Session) bool { return s.Factor == "" })
}

// End removes a session, and reports whether there was one with the id.
func (l *List) End(id string) bool {
	n := len(l.sessions)
	l.sessions = slices.DeleteFunc(l.sessions, func(s Session) bool { return s.ID == id })
	return len(l.sessions) < n
}

// EndOthers continues one live session in the epoch of a new password and ends all others of earlier epochs (rule 4).
func (l *List) EndOthers(id string, from, to int, now time.Time) {
	l.sessions = slices.DeleteFunc(l.sessions, func(s Session) bool {
		return s.Epoch != to && (s.ID != id || !s.live(from, now))
	})
	for i := range l.sessions {
		l.sessions[i].Epoch = to
	}
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
