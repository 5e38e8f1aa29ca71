package store

import (
	"context"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/internal/sidecar"
)

type sessionDoc struct {
	ID        string    `json:"id"`
	Family    string    `json:"family"`
	Current   string    `json:"current"`
	Epoch     int       `json:"epoch"`
	CreatedAt time.Time `json:"createdAt"`
	UsedAt    time.Time `json:"usedAt"`
	UserAgent string    `json:"userAgent,omitempty"`
}

type bookDoc struct {
	Sessions []sessionDoc `json:"sessions"`
}

func (d bookDoc) book() *session.Book {
	sessions := make([]session.Session, len(d.Sessions))
	for i, x := range d.Sessions {
		sessions[i] = session.Session(x)
	}
	return session.Restore(sessions)
}

func toBookDoc(b *session.Book) bookDoc {
	d := bookDoc{Sessions: []sessionDoc{}}
	for _, x := range b.Sessions() {
		d.Sessions = append(d.Sessions, sessionDoc(x))
	}
	return d
}

func sessionsKey(userID string) string { return "sessions/" + userID }

// SignedIn reads an account and its sessions in one call. The account is nil if there never was one.
func (s *Store) SignedIn(ctx context.Context, userID string) (*account.Account, *session.Book, error) {
	items, err := s.state.GetMany(ctx, []string{accountKey(userID), sessionsKey(userID)})
	if err != nil {
		return nil, nil, outage(err)
	}
	var a *account.Account
	if item, ok := items[accountKey(userID)]; ok {
		var d accountDoc
		if err := decode(item, &d); err != nil {
			return nil, nil, err
		}
		a = d.account()
	}
	var d bookDoc
	if item, ok := items[sessionsKey(userID)]; ok {
		if err := decode(item, &d); err != nil {
			return nil, nil, err
		}
	}
	return a, d.book(), nil
}

// ChangeSessions lets f change a customer's sessions and say whether to store them; its error is returned
// in either case.
func (s *Store) ChangeSessions(ctx context.Context, userID string, f func(*session.Book) (write bool, err error)) error {
	return change(ctx, s, sessionsKey(userID), func(d *bookDoc, _ bool) (bool, error) {
		b := d.book()
		write, err := f(b)
		if write {
			*d = toBookDoc(b)
		}
		return write, err
	}, sidecar.TTL(session.Longest)) // each write starts it anew, so no live session is older
}

// DropSessions forgets all sessions of a customer. It empties the book and leaves it there: on a store that takes a
// change of what was deleted meanwhile, a refresh at the same moment would bring it back.
func (s *Store) DropSessions(ctx context.Context, userID string) error {
	return change(ctx, s, sessionsKey(userID), func(d *bookDoc, found bool) (bool, error) {
		*d = bookDoc{Sessions: []sessionDoc{}}
		return found, nil
	}, sidecar.TTL(session.Longest))
}
