package store

import (
	"context"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/session"
	"haberdash/internal/sidecar"
)

// ExportUsers exports the accounts with these ids, in their order, the claims on their mailboxes, and their sessions,
// which get their full life again. Deleted accounts are exported too, because their ids must not be used again.
//
// An export has no documents that can only be found by a key that the service does not know: mailed tokens, counted
// attempts, and claims whose account does not exist.
func (s *Store) ExportUsers(ctx context.Context, ids []string, put func(sidecar.Item) error) error {
	accountKeys, sessionKeys := make([]string, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		accountKeys[i], sessionKeys[i] = accountKey(id), sessionsKey(id)
	}
	accounts, err := s.exportKeys(ctx, accountKeys, put)
	if err != nil {
		return err
	}
	var claims []string
	for _, item := range accounts {
		var d accountDoc
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return err
		}
		if !d.Deleted {
			claims = append(claims, claimKeys(account.StoredEmail(d.Email))...)
		}
	}
	if _, err := s.exportKeys(ctx, claims, put); err != nil {
		return err
	}
	_, err = s.exportKeys(ctx, sessionKeys, func(item sidecar.Item) error {
		item.TTL = session.MaxLifetime
		return put(item)
	})
	return err
}

// ExportAdministratorMark exports the mark that the first administrator with this mailbox was made, if there is one.
func (s *Store) ExportAdministratorMark(ctx context.Context, email account.Email, put func(sidecar.Item) error) error {
	_, err := s.exportKeys(ctx, administratorKeys(email), put)
	return err
}

// exportKeys exports the documents that exist, in the order of the keys, and returns them.
func (s *Store) exportKeys(ctx context.Context, keys []string, put func(sidecar.Item) error) (found []sidecar.Item,
	err error) {
	items, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if item, ok := items[key]; ok {
			if err := put(item); err != nil {
				return nil, err
			}
			found = append(found, item)
		}
	}
	return found, nil
}
