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
	Previous  string    `json:"previous,omitempty"`
	Epoch     int       `json:"epoch"`
	CreatedAt time.Time `json:"createdAt"`
	UsedAt    time.Time `json:"usedAt"`
	UserAgent string    `json:"userAgent,omitempty"`
	Factor    string    `json:"secondFactor,omitempty"`
}

type sessionsDoc struct {
	Sessions []sessionDoc `json:"sessions"`
}

func (d sessionsDoc) list() *session.List {
	sessions := make([]session.Session, len(d.Sessions))
	for i, s := range d.Sessions {
		sessions[i] = session.Session(s)
	}
	return session.Restore(sessions)
}

func toSessionsDoc(l *session.List) sessionsDoc {
	d := sessionsDoc{Sessions: []sessionDoc{}}
	for _, s := range l.All() {
		d.Sessions = append(d.Sessions, sessionDoc(s))
	}
	return d
}

func sessionsKey(userID string) string { return "sessions/" + userID }

// AccountAndSessions reads an account and its sessions in one call. The account is nil if it never existed.
func (s *Store) AccountAndSessions(ctx context.Context, userID string) (*account.Account, *session.List, error) {
	items, err := s.state.GetMany(ctx, []string{accountKey(userID), sessionsKey(userID)})
	if err != nil {
		return nil, nil, err
	}
	var a *account.Account
	if item, ok := items[accountKey(userID)]; ok {
		var d accountDoc
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return nil, nil, err
		}
		a = d.account()
	}
	var d sessionsDoc
	if item, ok := items[sessionsKey(userID)]; ok {
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return nil, nil, err
		}
	}
	return a, d.list(), nil
}

// ChangeSessions changes the sessions of a user. It stores them if change returns write, and returns the error of
// change in either case. It calls change again if another writer has changed the sessions in between. Each write
// prolongs the life of the document, so that it outlives all its sessions.
func (s *Store) ChangeSessions(ctx context.Context, userID string,
	change func(*session.List) (write bool, err error)) error {
	_, err := sidecar.Update(ctx, s.state, sessionsKey(userID), func(d *sessionsDoc, _ bool) (bool, error) {
		list := d.list()
		write, err := change(list)
		*d = toSessionsDoc(list)
		return write, err
	}, sidecar.TTL(session.MaxLifetime))
	return err
}

// EndAllSessions ends all sessions of a user. The document stays, and is empty: some stores let a concurrent change
// restore a document that was deleted.
func (s *Store) EndAllSessions(ctx context.Context, userID string) error {
	_, err := sidecar.Update(ctx, s.state, sessionsKey(userID), func(d *sessionsDoc, found bool) (bool, error) {
		*d = sessionsDoc{Sessions: []sessionDoc{}}
		return found, nil
	}, sidecar.TTL(session.MaxLifetime))
	return err
}
