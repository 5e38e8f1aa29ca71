package directory_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/service/directory"
	"haberdash/apps/users/service/store"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// replica is the directory as one replica of the service sees it, with the accounts in it.
type replica struct {
	*directory.Directory
	accounts *store.Store
}

func newReplica(state sidecar.State) replica {
	accounts := store.New(state)
	return replica{directory.New(state, accounts), accounts}
}

// create adds a new account to the directory and stores it.
func (r replica) create(t *testing.T, id string) {
	t.Helper()
	number, err := r.Add(t.Context(), id)
	require.NoError(t, err)
	a, err := account.New(id, number, account.Email(id+"@example.com"), id, "hash", time.Now())
	require.NoError(t, err)
	require.NoError(t, r.accounts.CreateAccount(t.Context(), a))
}

func all(*account.Account) bool { return true }

// list returns the ids of all accounts that match, in pages of at most limit.
func (r replica) list(t *testing.T, limit int, match func(*account.Account) bool) (ids []string) {
	t.Helper()
	for before := uint64(0); ; {
		found, next, err := r.Accounts(t.Context(), before, limit, match)
		require.NoError(t, err)
		require.LessOrEqual(t, len(found), limit)
		for _, a := range found {
			ids = append(ids, a.ID())
		}
		if next == 0 {
			return ids
		}
		before = next
	}
}

func TestAccountsAreListedWithTheNewestFirst(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	r := newReplica(state)
	require.Empty(t, r.list(t, 10, all))
	var want []string
	for i := range 345 {
		id := fmt.Sprintf("u%d", i)
		r.create(t, id)
		want = append([]string{id}, want...)
	}
	require.Equal(t, want, r.list(t, 7, all))
	require.Equal(t, want, newReplica(state).list(t, 100, all), "a replica that starts later has the same list")
	require.Equal(t, []string{"u17"}, r.list(t, 10, func(a *account.Account) bool { return a.ID() == "u17" }))

	_, err := r.Add(t.Context(), "never written")
	require.NoError(t, err)
	_, err = r.Add(t.Context(), "u3") // again, after a crash
	require.NoError(t, err)
	_, err = r.accounts.ChangeAccount(t.Context(), "u344", func(a *account.Account) error { a.Erase(); return nil })
	require.NoError(t, err)
	require.Equal(t, want[1:], r.list(t, 50, all))
}

// Twenty workers on four replicas add accounts at once. Each account gets its own number and is listed.
func TestConcurrentlyAddedAccountsAreAllListed(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	replicas := make([]replica, 4)
	for i := range replicas {
		replicas[i] = newReplica(state)
	}
	start := make(chan struct{})
	var done sync.WaitGroup
	for w := range 20 {
		done.Go(func() {
			<-start
			for i := range 10 {
				replicas[w%4].create(t, fmt.Sprintf("u%d-%d", w, i))
			}
		})
	}
	close(start)
	done.Wait()
	seen := map[string]bool{}
	for _, id := range replicas[0].list(t, 30, all) {
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Len(t, seen, 200)
}
