package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/sidecar"
)

// directory numbers the accounts from 1, one key each, so that they can be listed although the store
// lists nothing. A number is taken before its account is written and may stay without one.
type directory struct {
	mu     sync.Mutex // one append at a time: contenders in one process would only lose to each other
	last   uint64     // no number up to here is free; others may have taken more
	loaded bool       // the hint has been read
	sure   bool       // last was the end when it was looked at
}

type entryDoc struct {
	UserID string `json:"userId"`
}

type tailDoc struct {
	Last uint64 `json:"last"`
}

const (
	tailKey   = "directory-tail"
	tailEvery = 32  // numbers between two hints
	page      = 100 // keys read at once
)

func entryKey(n uint64) string { return fmt.Sprintf("directory/%d", n) }

// Enrol takes the next free number for the account.
func (s *Store) Enrol(ctx context.Context, userID string) (place uint64, err error) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	for {
		if !s.dir.sure {
			if err := s.tail(ctx); err != nil {
				return 0, err
			}
		}
		n := s.dir.last + 1
		err := s.create(ctx, entryKey(n), entryDoc{userID})
		if errors.Is(err, sidecar.ErrExists) {
			s.dir.sure = false // another replica enrols too
			continue
		}
		if err != nil {
			return 0, err
		}
		s.dir.last = n
		if n%tailEvery == 0 {
			// A hint that is lost or late costs a few reads at the next start.
			_ = s.state.Put(ctx, tailKey, encode(tailDoc{n}), "")
		}
		return n, nil
	}
}

// tail looks for the last number taken and leaves it in dir.last. The caller holds dir.mu.
func (s *Store) tail(ctx context.Context) error {
	if !s.dir.loaded {
		var d tailDoc
		if _, _, err := s.get(ctx, tailKey, &d); err != nil {
			return err
		}
		s.dir.last, s.dir.loaded = max(d.Last, s.dir.last), true
	}
	for {
		keys := make([]string, page)
		for i := range keys {
			keys[i] = entryKey(s.dir.last + 1 + uint64(i))
		}
		items, err := s.state.GetMany(ctx, keys)
		if err != nil {
			return outage(err)
		}
		taken := 0
		for taken < page && items[keys[taken]].Found() {
			taken++
		}
		s.dir.last += uint64(taken)
		if taken < page {
			s.dir.sure = true
			return nil
		}
	}
}

// end is the last number taken.
func (s *Store) end(ctx context.Context) (uint64, error) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	err := s.tail(ctx)
	return s.dir.last, err
}

// scan bounds how many numbers one call of Accounts goes through.
const scan = 2000

// Accounts lists live accounts with numbers below before (0: from the newest), newest first: up to limit
// that satisfy match, and the number to go on below, 0 at the end. It may give fewer than limit, even none,
// and still not be at the end.
func (s *Store) Accounts(ctx context.Context, before uint64, limit int, match func(*account.Account) bool) (found []*account.Account, next uint64, err error) {
	if before == 0 {
		last, err := s.end(ctx)
		if err != nil {
			return nil, 0, err
		}
		before = last + 1
	}
	for read := 0; before > 1 && read < scan; {
		n := min(uint64(page), before-1)
		accounts, err := s.listed(ctx, before-n, n)
		if err != nil {
			return nil, 0, err
		}
		for i := int(n) - 1; i >= 0; i-- {
			before--
			if a := accounts[i]; a != nil && match(a) {
				if found = append(found, a); len(found) == limit {
					return found, more(before), nil
				}
			}
		}
		read += int(n)
	}
	return found, more(before), nil
}

func more(before uint64) uint64 {
	if before <= 1 {
		return 0
	}
	return before
}

// listed gives the live accounts of n numbers from first on, nil for those without.
func (s *Store) listed(ctx context.Context, first, n uint64) ([]*account.Account, error) {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = entryKey(first + uint64(i))
	}
	entries, err := s.state.GetMany(ctx, keys)
	if err != nil {
		return nil, outage(err)
	}
	users := make([]string, 0, n)
	ids := make([]string, n)
	for i, key := range keys {
		if item := entries[key]; item.Found() {
			var e entryDoc
			if err := decode(item, &e); err != nil {
				return nil, err
			}
			ids[i] = accountKey(e.UserID)
			users = append(users, ids[i])
		}
	}
	items, err := s.state.GetMany(ctx, users)
	if err != nil {
		return nil, outage(err)
	}
	accounts := make([]*account.Account, n)
	for i, key := range ids {
		item, ok := items[key]
		if key == "" || !ok {
			continue
		}
		var d accountDoc
		if err := decode(item, &d); err != nil {
			return nil, err
		}
		// The account names its own number, so one that was enrolled twice around a crash is listed once.
		if !d.Deleted && d.Place == first+uint64(i) {
			accounts[i] = d.account()
		}
	}
	return accounts, nil
}
