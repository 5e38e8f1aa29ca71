package directory

import (
	"context"
	"slices"

	"haberdash/apps/users/internal/account"
	"haberdash/internal/sidecar"
)

// maxScanned bounds how many numbers one call of Accounts reads.
const maxScanned = 2000

// Accounts lists accounts that are not deleted and that match, the newest first. It returns at most limit accounts with
// numbers below before, or the newest ones if before is 0. next is the before of the next call, or 0 at the end. A call
// may return fewer accounts than limit, even none, before it reaches the end.
func (d *Directory) Accounts(ctx context.Context, before uint64, limit int,
	match func(*account.Account) bool) (found []*account.Account, next uint64, err error) {
	if before == 0 {
		last, err := d.last(ctx)
		if err != nil {
			return nil, 0, err
		}
		before = last + 1
	}
	for scanned := 0; before > 1 && scanned < maxScanned; scanned += pageSize {
		first := max(1, before-min(before, pageSize))
		accounts, err := d.accounts(ctx, first, before-first)
		if err != nil {
			return nil, 0, err
		}
		for _, a := range slices.Backward(accounts) {
			if !match(a) {
				continue
			}
			if found = append(found, a); len(found) == limit {
				return found, nextBefore(a.Snapshot().Number), nil
			}
		}
		before = first
	}
	return found, nextBefore(before), nil
}

// nextBefore is before, or 0 if there are no numbers below it.
func nextBefore(before uint64) uint64 {
	if before <= 1 {
		return 0
	}
	return before
}

// accounts reads the accounts with n numbers from first on, in ascending order, without the deleted ones. An account
// that has two numbers after a crash counts only with the one that it has stored.
func (d *Directory) accounts(ctx context.Context, first, n uint64) (accounts []*account.Account, err error) {
	entries, err := d.read(ctx, first, n)
	if err != nil {
		return nil, err
	}
	byID, err := d.store.Accounts(ctx, userIDs(entries))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		a, ok := byID[e.userID]
		if ok && !a.Deleted() && a.Snapshot().Number == e.number {
			accounts = append(accounts, a)
		}
	}
	return accounts, nil
}

// Export exports the directory and the users in it, in ascending order of their numbers.
func (d *Directory) Export(ctx context.Context, put func(sidecar.Item) error) error {
	last, err := d.last(ctx)
	if err != nil {
		return err
	}
	for first := uint64(1); first <= last; first += pageSize {
		entries, err := d.read(ctx, first, min(pageSize, last-first+1))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := put(e.item); err != nil {
				return err
			}
		}
		if err := d.store.ExportUsers(ctx, userIDs(entries), put); err != nil {
			return err
		}
	}
	return nil
}
