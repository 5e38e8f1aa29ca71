package trail_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/trail"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

func open(t *testing.T, state sidecar.State, now func() time.Time) (*trail.Trail,
	*commitlog.Partition[trail.State]) {
	t.Helper()
	log, err := commitlog.Open(t.Context(), state, "users", "users", trail.Model(), commitlog.Options{Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	return trail.New(log), log
}

// withMail is a record of a mail to a user.
func withMail(user, mail string) trail.Record {
	return trail.Record{UserFact: contract.UserFact{UserID: user, MailID: mail}}
}

func TestHistoryIsPagedWithTheNewestFirst(t *testing.T) {
	t.Parallel()
	tr, _ := open(t, memory.NewState(), time.Now)
	for range 5 {
		require.NoError(t, tr.Add(t.Context(), trail.SignInThrottled, trail.Unsigned("u1")))
		require.NoError(t, tr.Add(t.Context(), trail.PasswordChanged, trail.ByOwner("u2")))
	}
	var seen []uint64
	var at commitlog.Mark
	for {
		entries, next, err := tr.History(t.Context(), "u1", at, 2)
		require.NoError(t, err)
		for _, e := range entries {
			require.Equal(t, trail.SignInThrottled, e.Type)
			require.Equal(t, trail.Unsigned("u1"), e.Record)
			seen = append(seen, e.Seq)
		}
		if next == nil {
			break
		}
		at = *next
	}
	require.Equal(t, []uint64{5, 4, 3, 2, 1}, seen)
	none, next, err := tr.History(t.Context(), "nobody", commitlog.Mark{}, 2)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Nil(t, next)
}

func TestOnlyEventsOfTheContractArePublished(t *testing.T) {
	t.Parallel()
	tr, log := open(t, memory.NewState(), time.Now)
	require.NoError(t, tr.Add(t.Context(), trail.RolesChanged,
		trail.Record{UserFact: contract.UserFact{UserID: "u1"}, By: "u0", Roles: []string{"staff"}}))
	require.NoError(t, tr.Add(t.Context(), contract.UserPasswordResetAsked, withMail("u1", "m1")))
	require.NoError(t, tr.AddDeletion(t.Context(), trail.ByOwner("u1")))
	page, err := log.Feed(t.Context(), 1, 100)
	require.NoError(t, err)
	require.Len(t, page.Events, 2)
	require.Equal(t, contract.UserPasswordResetAsked, page.Events[0].Type)
	require.JSONEq(t, `{"userId":"u1","mailId":"m1"}`, string(page.Events[0].Data))
	require.Equal(t, contract.UserDeleted, page.Events[1].Type)
}

func TestRule3ADeletionIsRecordedOnceAndCarriedOut(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	tr, _ := open(t, state, time.Now)
	for range 3 {
		require.NoError(t, tr.AddDeletion(t.Context(), trail.ByOwner("u1")))
	}
	entries, _, err := tr.History(t.Context(), "u1", commitlog.Mark{}, 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)

	later, _ := open(t, state, time.Now) // another process, after a crash
	ctx, stop := context.WithCancel(t.Context())
	var attempts atomic.Int64
	erased := make(chan string, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		later.ProcessDeletions(ctx, func(_ context.Context, user string) error {
			if attempts.Add(1) == 1 {
				return errors.New("the store is unavailable")
			}
			erased <- user
			return nil
		})
	}()
	require.Equal(t, "u1", <-erased)
	stop()
	<-ended
}

func TestMailsSinceATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tr, _ := open(t, memory.NewState(), func() time.Time { return now })
	require.NoError(t, tr.Add(t.Context(), contract.UserVerificationRequested, withMail("u1", "old")))
	now = now.Add(time.Hour)
	require.NoError(t, tr.Add(t.Context(), contract.UserVerificationRequested, withMail("u1", "new")))
	require.NoError(t, tr.Add(t.Context(), contract.UserVerificationRequested, withMail("u2", "another's")))
	require.NoError(t, tr.Add(t.Context(), trail.EmailVerified, trail.Unsigned("u1")))
	ids, err := tr.MailsSince(t.Context(), "u1", now)
	require.NoError(t, err)
	require.Equal(t, []string{"new"}, ids)
	ids, err = tr.MailsSince(t.Context(), "u1", now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, []string{"new", "old"}, ids)
}
