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

// create stores an account.
func create(t *testing.T, s *store.Store, id string) {
	t.Helper()
	a, err := account.New(id, 1, account.Email(id+"@example.com"), id, "hash", time.Now())
	require.NoError(t, err)
	require.NoError(t, s.CreateAccount(t.Context(), a))
}

func TestConcurrentChangesOfAnAccountAreAllStored(t *testing.T) {
	t.Parallel()
	s := store.New(memory.NewState())
	create(t, s, "u")
	_, err := s.ChangeAccount(t.Context(), "nobody", func(*account.Account) error { return nil })
	require.ErrorIs(t, err, store.ErrNoAccount)
	refused := errors.New("refused")
	_, err = s.ChangeAccount(t.Context(), "u", func(a *account.Account) error { a.Verify(); return refused })
	require.ErrorIs(t, err, refused)
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

// Replicas of the release before must read what this one stores.
func TestTheStoredFormOfAnAccount(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	s := store.New(state)
	a := account.Restore(account.Snapshot{ID: "u", Number: 3, Email: "a@example.com", Name: "Ada",
		PasswordHash: "h", Verified: true, Roles: []string{"customer"},
		Addresses: []account.Address{{ID: "x", Name: "A", Line1: "1", City: "C", PostalCode: "P",
			Country: "DE"}},
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Epoch: 2, Version: 4})
	require.NoError(t, s.CreateAccount(t.Context(), a))
	item, err := state.Get(t.Context(), "user/u")
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"u","place":3,"email":"a@example.com","name":"Ada","passwordHash":"h",
		"verified":true,"roles":["customer"],
		"addresses":[{"id":"x","name":"A","line1":"1","city":"C","postalCode":"P","country":"DE"}],
		"createdAt":"2026-01-02T03:04:05Z","epoch":2,"version":4}`, string(item.Value))
	read, err := s.Account(t.Context(), "u")
	require.NoError(t, err)
	require.Equal(t, a.Snapshot(), read.Snapshot())
}

func TestAttemptsAreCountedUpToTheLimit(t *testing.T) {
	t.Parallel()
	s := store.New(memory.NewState())
	p := attempts.Policy{Free: 2, Base: time.Minute, Cap: time.Minute, Forget: time.Hour}
	now := time.Now()
	for range 2 {
		wait, err := s.Attempt(t.Context(), store.Mail, "a", p, now)
		require.NoError(t, err)
		require.Zero(t, wait)
	}
	wait, err := s.Attempt(t.Context(), store.Mail, "a", p, now)
	require.NoError(t, err)
	require.Equal(t, time.Minute, wait.Round(time.Second))
	c := &store.Counter{Kind: store.Mail, Subject: "a", Policy: p}
	require.NoError(t, s.ReadCounters(t.Context(), c))
	require.Equal(t, 2, c.Record.Count, "an attempt that must wait is not counted")
	require.NoError(t, s.ForgetAttempts(t.Context(), store.Mail, "a"))
	require.NoError(t, s.ReadCounters(t.Context(), c))
	require.Zero(t, c.Record)
}

// Attempts that another replica has added since the counters were read are not lost.
func TestConcurrentAttemptsAreAllCounted(t *testing.T) {
	t.Parallel()
	s := store.New(memory.NewState())
	require.NoError(t, s.SaveClaim(t.Context(), "a@example.com", store.Claim{}, store.Claim{UserID: "u", Number: 7}))
	p := attempts.Policy{Free: 9, Base: time.Minute, Cap: time.Minute, Forget: time.Hour}
	read := func() []*store.Counter {
		counters := []*store.Counter{{Kind: store.SignIn, Subject: "a@example.com", Policy: p},
			{Kind: store.Address, Subject: "203.0.113.7", Policy: p}}
		claim, err := s.ClaimAndCounters(t.Context(), "a@example.com", counters...)
		require.NoError(t, err)
		require.Equal(t, "u", claim.UserID)
		require.EqualValues(t, 7, claim.Number)
		return counters
	}
	counts := func() []int { c := read(); return []int{c[0].Record.Count, c[1].Record.Count} }
	require.Equal(t, []int{0, 0}, counts())
	one, other := read(), read()
	require.NoError(t, s.AddAttempt(t.Context(), time.Now(), one...))
	require.Equal(t, []int{1, 1}, counts())
	require.NoError(t, s.AddAttempt(t.Context(), time.Now(), other...), "the stored records have changed")
	require.Equal(t, []int{2, 2}, counts())
	require.NoError(t, s.AddAttempt(t.Context(), time.Now(), read()...))
	require.Equal(t, []int{3, 3}, counts())

	nobody, err := s.ClaimAndCounters(t.Context(), "b@example.com")
	require.NoError(t, err)
	require.Zero(t, nobody)
}
