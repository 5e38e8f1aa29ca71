package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/attempts"
	"haberdash/apps/users/service/store"
	"haberdash/internal/sidecar/memory"
)

func enrol(t *testing.T, s *store.Store, id string) {
	t.Helper()
	place, err := s.Enrol(t.Context(), id)
	require.NoError(t, err)
	a, err := account.New(id, place, account.Email(id+"@example.com"), id, "hash", time.Now())
	require.NoError(t, err)
	require.NoError(t, s.CreateAccount(t.Context(), a))
}

func everyone(*account.Account) bool { return true }

// all pages through the directory.
func all(t *testing.T, s *store.Store, limit int, match func(*account.Account) bool) (ids []string) {
	t.Helper()
	for before := uint64(0); ; {
		found, next, err := s.Accounts(t.Context(), before, limit, match)
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

func TestDirectory(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	s := store.New(state)
	require.Empty(t, all(t, s, 10, everyone))
	var want []string
	for i := range 345 {
		id := fmt.Sprintf("u%d", i)
		enrol(t, s, id)
		want = append([]string{id}, want...)
	}
	require.Equal(t, want, all(t, s, 7, everyone))
	require.Equal(t, want, all(t, store.New(state), 100, everyone), "a replica that starts later sees the same")
	require.Equal(t, []string{"u17"}, all(t, s, 10, func(a *account.Account) bool { return a.ID() == "u17" }))

	_, err := s.Enrol(t.Context(), "never written")
	require.NoError(t, err)
	_, err = s.Enrol(t.Context(), "u3") // again, after a crash
	require.NoError(t, err)
	_, err = s.ChangeAccount(t.Context(), "u344", func(a *account.Account) error { a.Erase(); return nil })
	require.NoError(t, err)
	require.Equal(t, want[1:], all(t, s, 50, everyone))
}

// Twenty workers on four replicas enrol at once: every account has a place of its own and is listed.
func TestDirectoryContention(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	replicas := make([]*store.Store, 4)
	for i := range replicas {
		replicas[i] = store.New(state)
	}
	start := make(chan struct{})
	var done sync.WaitGroup
	for w := range 20 {
		done.Go(func() {
			<-start
			for i := range 10 {
				enrol(t, replicas[w%4], fmt.Sprintf("u%d-%d", w, i))
			}
		})
	}
	close(start)
	done.Wait()
	seen := map[string]bool{}
	for _, id := range all(t, replicas[0], 30, everyone) {
		require.False(t, seen[id])
		seen[id] = true
	}
	require.Len(t, seen, 200)
}

func TestChangeAccount(t *testing.T) {
	t.Parallel()
	s := store.New(memory.NewState())
	enrol(t, s, "u")
	_, err := s.ChangeAccount(t.Context(), "nobody", func(*account.Account) error { return nil })
	require.ErrorIs(t, err, store.ErrNoAccount)
	refusal := errors.New("no")
	_, err = s.ChangeAccount(t.Context(), "u", func(a *account.Account) error { a.Verify(); return refusal })
	require.ErrorIs(t, err, refusal)
	a, err := s.Account(t.Context(), "u")
	require.NoError(t, err)
	require.False(t, a.Verified())

	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range 10 {
		done.Go(func() {
			<-start
			_, err := s.ChangeAccount(t.Context(), "u", func(a *account.Account) error {
				return a.AddAddress(account.Address{ID: fmt.Sprint("a", i), Name: "N", Line2: "2", Region: "R"})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	done.Wait()
	a, err = s.Account(t.Context(), "u")
	require.NoError(t, err)
	require.Len(t, a.Addresses(), 10)
	require.Equal(t, 11, a.Version())
}

// The stored form: a replica of the release before has to read it.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	s := store.New(state)
	a := account.Restore(account.Snapshot{ID: "u", Place: 3, Email: "a@example.com", Name: "Ada", PasswordHash: "h", Verified: true, Roles: []string{"customer"},
		Addresses: []account.Address{{ID: "x", Name: "A", Line1: "1", City: "C", PostalCode: "P", Country: "DE"}},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Epoch: 2, Version: 4})
	require.NoError(t, s.CreateAccount(t.Context(), a))
	item, err := state.Get(t.Context(), "user/u")
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"u","place":3,"email":"a@example.com","name":"Ada","passwordHash":"h","verified":true,"roles":["customer"],
		"addresses":[{"id":"x","name":"A","line1":"1","city":"C","postalCode":"P","country":"DE"}],
		"createdAt":"2026-01-02T03:04:05Z","epoch":2,"version":4}`, string(item.Value))
	read, err := s.Account(t.Context(), "u")
	require.NoError(t, err)
	require.Equal(t, a.Snapshot(), read.Snapshot())
}

func TestCountAttempt(t *testing.T) {
	t.Parallel()
	s := store.New(memory.NewState())
	p := attempts.Policy{Free: 2, Base: time.Minute, Cap: time.Minute, Forget: time.Hour}
	now := time.Now()
	for range 2 {
		wait, err := s.CountAttempt(t.Context(), store.Mail, "a", p, now)
		require.NoError(t, err)
		require.Zero(t, wait)
	}
	wait, err := s.CountAttempt(t.Context(), store.Mail, "a", p, now)
	require.NoError(t, err)
	require.Equal(t, time.Minute, wait.Round(time.Second))
	c := &store.Counter{Kind: store.Mail, Who: "a", Policy: p}
	require.NoError(t, s.ReadCounters(t.Context(), c))
	require.Equal(t, 2, c.Record.Count, "what had to wait did not happen")
	require.NoError(t, s.ForgetAttempts(t.Context(), store.Mail, "a"))
	require.NoError(t, s.ReadCounters(t.Context(), c))
	require.Zero(t, c.Record)
}

// A sign-in reads its claim and counters at once and adds to them at once. Attempts that another replica has counted
// meanwhile are not lost.
func TestSignInCounts(t *testing.T) {
	t.Parallel()
	s := store.New(memory.NewState())
	require.NoError(t, s.CreateClaim(t.Context(), "a@example.com", store.Claim{UserID: "u", Place: 7}))
	p := attempts.Policy{Free: 9, Base: time.Minute, Cap: time.Minute, Forget: time.Hour}
	read := func() []*store.Counter {
		counters := []*store.Counter{{Kind: store.SignIn, Who: "a@example.com", Policy: p}, {Kind: store.Address, Who: "203.0.113.7", Policy: p}}
		claim, err := s.SignIn(t.Context(), "a@example.com", counters...)
		require.NoError(t, err)
		require.Equal(t, "u", claim.UserID)
		require.EqualValues(t, 7, claim.Place)
		return counters
	}
	counts := func() []int { c := read(); return []int{c[0].Record.Count, c[1].Record.Count} }
	require.Equal(t, []int{0, 0}, counts())
	one, other := read(), read()
	require.NoError(t, s.Count(t.Context(), time.Now(), one...))
	require.Equal(t, []int{1, 1}, counts())
	require.NoError(t, s.Count(t.Context(), time.Now(), other...), "of records that are not what they were")
	require.Equal(t, []int{2, 2}, counts())
	require.NoError(t, s.Count(t.Context(), time.Now(), read()...))
	require.Equal(t, []int{3, 3}, counts())

	nobody, err := s.SignIn(t.Context(), "b@example.com")
	require.NoError(t, err)
	require.Zero(t, nobody)
}
