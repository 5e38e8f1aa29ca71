package store

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/internal/sidecar"
)

// Export hands out the accounts in the order of the directory: each with its place there, its mailbox's claim and its
// sessions, which live for their full time anew. What can only be found by who knows its name stays behind: mailed
// tokens, counted attempts, and a mailbox that was claimed by somebody who got no further.
func (s *Store) Export(ctx context.Context, put func(sidecar.Item) error) error {
	last, err := s.end(ctx)
	if err != nil {
		return err
	}
	for first := uint64(1); first <= last; first += page {
		if err := s.exportPage(ctx, first, min(page, last-first+1), put); err != nil {
			return err
		}
	}
	return nil
}

// exportPage hands out the accounts of n numbers from first on. Deleted ones are among them: their ids stay taken.
func (s *Store) exportPage(ctx context.Context, first, n uint64, put func(sidecar.Item) error) error {
	places := make([]string, n)
	for i := range places {
		places[i] = entryKey(first + uint64(i))
	}
	entries, err := s.exportKeys(ctx, put, places)
	if err != nil {
		return err
	}
	var users, sessions []string
	for _, item := range entries {
		var e entryDoc
		if err := decode(item, &e); err != nil {
			return err
		}
		users, sessions = append(users, accountKey(e.UserID)), append(sessions, sessionsKey(e.UserID))
	}
	accounts, err := s.exportKeys(ctx, put, users)
	if err != nil {
		return err
	}
	var claims []string
	for _, item := range accounts {
		var d accountDoc
		if err := decode(item, &d); err != nil {
			return err
		}
		if !d.Deleted {
			claims = append(claims, claimKey(account.Email(d.Email)))
		}
	}
	if _, err := s.exportKeys(ctx, put, claims); err != nil {
		return err
	}
	_, err = s.exportKeys(ctx, func(item sidecar.Item) error {
		item.TTL = session.Longest
		return put(item)
	}, sessions)
	return err
}

// ExportInstalled hands out that the first administrator of a mailbox was made, where that is so.
func (s *Store) ExportInstalled(ctx context.Context, email account.Email, put func(sidecar.Item) error) error {
	_, err := s.exportKeys(ctx, put, []string{installedKey(email)})
	return err
}

// exportKeys hands out those of the keys that exist, in their order, and gives them.
func (s *Store) exportKeys(ctx context.Context, put func(sidecar.Item) error, keys []string) (there []sidecar.Item, err error) {
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, outage(err)
	}
	for _, key := range keys {
		if item, ok := items[key]; ok {
			if err := put(item); err != nil {
				return nil, err
			}
			there = append(there, item)
		}
	}
	return there, nil
}
