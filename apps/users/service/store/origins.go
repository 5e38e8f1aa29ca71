package store

import (
	"context"
	"slices"
	"time"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/sidecar"
)

// How many client addresses of a user are known, for how long, and how exactly their last use is stored.
const (
	maxOrigins     = 10
	originsLife    = 90 * 24 * time.Hour
	originsRefresh = 24 * time.Hour
)

type originDoc struct {
	Address string    `json:"address"` // a keyed digest
	UsedAt  time.Time `json:"usedAt"`
}

type originsDoc struct {
	Origins []originDoc `json:"origins"`
}

func originsKey(userID string) string { return "origins/" + userID }

// Origins are the client addresses from which a user has signed in.
type Origins []originDoc

// Has reports whether the user has signed in from an address, given as its digest.
func (o Origins) Has(address string, now time.Time) bool { return o.current(address, now, originsLife) }

func (o Origins) current(address string, now time.Time, life time.Duration) bool {
	return slices.ContainsFunc(o, func(d originDoc) bool { return d.Address == address && now.Sub(d.UsedAt) < life })
}

// AccountAndOrigins reads an account and its origins in one call. The account is nil if it never existed.
func (s *Store) AccountAndOrigins(ctx context.Context, userID string) (*account.Account, Origins, error) {
	items, err := s.state.GetMany(ctx, []string{accountKey(userID), originsKey(userID)})
	if err != nil {
		return nil, nil, err
	}
	var a *account.Account
	if item := items[accountKey(userID)]; item.Found() {
		var d accountDoc
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return nil, nil, err
		}
		a = d.account()
	}
	var d originsDoc
	if item := items[originsKey(userID)]; item.Found() {
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return nil, nil, err
		}
	}
	return a, d.Origins, nil
}

// AddOrigin stores that a user has signed in from an address, given as its digest. It writes at most once a day for
// each address. read are the origins that were read, so that most sign-ins call the store no more than without it.
func (s *Store) AddOrigin(ctx context.Context, userID string, read Origins, address string, now time.Time) error {
	if read.current(address, now, originsRefresh) {
		return nil
	}
	_, err := sidecar.Update(ctx, s.state, originsKey(userID), func(d *originsDoc, _ bool) (bool, error) {
		rest := slices.DeleteFunc(d.Origins, func(o originDoc) bool { return o.Address == address })
		d.Origins = append([]originDoc{{address, now.UTC()}}, rest[:min(len(rest), maxOrigins-1)]...)
		return true, nil
	}, sidecar.TTL(originsLife))
	return err
}

// DeleteOrigins deletes the origins of a user.
func (s *Store) DeleteOrigins(ctx context.Context, userID string) error {
	return s.state.Delete(ctx, originsKey(userID), "")
}
