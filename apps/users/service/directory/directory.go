// Package directory numbers the accounts from 1, because a state store cannot list its keys. Lists and exports of
// accounts read the directory by number.
//
//	directory/<n>   the id of the account with the number n
//	directory-tail  a number that is or was the last one: where the search for the last one begins
package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"haberdash/apps/users/service/store"
	"haberdash/internal/sidecar"
)

// Directory is the directory of all accounts. It is safe for concurrent use.
type Directory struct {
	state sidecar.State
	store *store.Store

	mu      sync.Mutex // one Add at a time: concurrent ones in this process would only conflict with each other
	known   uint64     // a number that is taken, as all before it; other replicas may have taken later ones
	loaded  bool       // directory-tail was read
	certain bool       // known was the last number when the directory was read
}

// New makes the directory of the accounts in a store.
func New(state sidecar.State, accounts *store.Store) *Directory {
	return &Directory{state: state, store: accounts}
}

type entryDoc struct {
	UserID string `json:"userId"`
}

type tailDoc struct {
	Last uint64 `json:"last"`
}

const (
	tailKey   = "directory-tail"
	tailEvery = 32  // directory-tail is written after so many numbers
	pageSize  = 100 // entries that are read in one call
)

func entryKey(n uint64) string { return fmt.Sprintf("directory/%d", n) }

// Add gives the account the next free number. The account is written afterwards: after a crash in between, the number
// stays without an account.
func (d *Directory) Add(ctx context.Context, userID string) (number uint64, err error) {
	entry, err := json.Marshal(entryDoc{userID})
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		if !d.certain {
			if err := d.findLast(ctx); err != nil {
				return 0, err
			}
		}
		n := d.known + 1
		err := d.state.Create(ctx, entryKey(n), entry)
		if errors.Is(err, sidecar.ErrExists) {
			d.certain = false // another replica has taken it
			continue
		}
		if err != nil {
			return 0, err
		}
		d.known = n
		if n%tailEvery == 0 {
			d.writeTail(ctx, n)
		}
		return n, nil
	}
}

// writeTail ignores an error: a missing or old directory-tail costs a few more reads at the next start.
func (d *Directory) writeTail(ctx context.Context, last uint64) {
	if value, err := json.Marshal(tailDoc{last}); err == nil {
		_ = d.state.Put(ctx, tailKey, value, "")
	}
}

// findLast searches the last number that is taken. The caller holds mu.
func (d *Directory) findLast(ctx context.Context) error {
	if !d.loaded {
		var tail tailDoc
		if _, err := sidecar.ReadJSON(ctx, d.state, tailKey, &tail); err != nil {
			return err
		}
		d.known, d.loaded = max(tail.Last, d.known), true
	}
	for {
		keys := entryKeys(d.known+1, pageSize)
		items, err := d.state.GetMany(ctx, keys)
		if err != nil {
			return err
		}
		taken := 0
		for taken < pageSize && items[keys[taken]].Found() {
			taken++
		}
		d.known += uint64(taken)
		if taken < pageSize {
			d.certain = true
			return nil
		}
	}
}

// last returns the last number that is taken.
func (d *Directory) last(ctx context.Context) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.findLast(ctx)
	return d.known, err
}

// entryKeys returns the keys of n entries from number first on.
func entryKeys(first, n uint64) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = entryKey(first + uint64(i))
	}
	return keys
}

// entry is an item of the directory with the id in it.
type entry struct {
	item   sidecar.Item
	number uint64
	userID string
}

// read reads n entries from number first on. The result has those that exist, in ascending order.
func (d *Directory) read(ctx context.Context, first, n uint64) (entries []entry, err error) {
	keys := entryKeys(first, n)
	items, err := d.state.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i, key := range keys {
		item, ok := items[key]
		if !ok {
			continue
		}
		var doc entryDoc
		if err := sidecar.DecodeJSON(item, &doc); err != nil {
			return nil, err
		}
		entries = append(entries, entry{item, first + uint64(i), doc.UserID})
	}
	return entries, nil
}

func userIDs(entries []entry) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.userID
	}
	return ids
}
