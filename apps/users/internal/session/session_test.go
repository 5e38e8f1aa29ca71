package session_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/users/internal/session"
	"haberdash/internal/fault"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func token(id, secret string) session.Token {
	return session.Token{UserID: "u", SessionID: id, Family: "family-" + id, Secret: secret}
}

// rotate exchanges a token of a session for the one with the secret next.
func rotate(list *session.List, t session.Token, next string, epoch int, now time.Time) error {
	_, err := list.Rotate(t, next, epoch, now)
	return err
}

func TestTokensAreParsed(t *testing.T) {
	t.Parallel()
	want := token("s1", "x-_1")
	got, ok := session.ParseToken(want.String())
	require.True(t, ok)
	require.Equal(t, want, got)
	for _, bad := range []string{"", "a", "a.b.c", "a.b.c.", "a.b.c.d.e", "a.b/.c.d", "a||b.c.d.e", "ä.b.c.d"} {
		_, ok := session.ParseToken(bad)
		require.False(t, ok, bad)
	}
}

func TestRules1And2EachTokenIsValidOnce(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	list.Open(token("s1", "1"), 1, "phone", "", start)
	list.Open(token("s2", "1"), 1, "desk", "", start)
	require.NoError(t, rotate(list, token("s1", "1"), "2", 1, start))
	require.NoError(t, rotate(list, token("s1", "2"), "3", 1, start))
	forged := token("s1", "3")
	forged.Family = "guessed"
	require.True(t, fault.Is(rotate(list, forged, "4", 1, start), "invalid-token"), "a guess does not end the session")
	require.True(t, list.IsLive("s1", 1, start))
	require.True(t, session.IsReused(rotate(list, token("s1", "1"), "4", 1, start)))
	require.False(t, list.IsLive("s1", 1, start))
	require.True(t, session.IsReused(rotate(list, token("s1", "3"), "4", 1, start)))
	require.True(t, list.IsLive("s2", 1, start), "the other session continues")
	for _, s := range list.All() {
		require.NotContains(t, fmt.Sprintf("%+v", s), "family-")
	}
}

func TestRule3SessionsExpire(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	list.Open(token("s", "0"), 1, "", "", start)
	now := start
	for i := range 3 {
		now = now.Add(session.MaxIdle - time.Second)
		require.NoError(t, rotate(list, token("s", fmt.Sprint(i)), fmt.Sprint(i+1), 1, now))
	}
	require.Equal(t, start.Add(session.MaxLifetime), list.All()[0].ExpiresAt())
	require.Error(t, rotate(list, token("s", "3"), "4", 1, start.Add(session.MaxLifetime)))
}

func TestRule4ANewPasswordEndsOtherSessions(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	list.Open(token("kept", "1"), 1, "", "", start)
	list.Open(token("lost", "1"), 1, "", "", start)
	require.Error(t, rotate(list, token("kept", "1"), "2", 2, start))
	list.EndOthers("kept", 1, 2, start)
	require.True(t, list.IsLive("kept", 2, start))
	require.False(t, list.IsLive("lost", 2, start))
	list.Open(token("late", "1"), 1, "", "", start) // a sign-in with the old password that was slow
	require.True(t, list.IsLive("kept", 2, start))
	require.False(t, list.IsLive("late", 2, start))
}

func TestRule5TheNumberOfSessionsIsLimited(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	for i := range session.MaxSessions + 5 {
		list.Open(token(fmt.Sprint("s", i), "1"), 1, "", "", start.Add(time.Duration(i)*time.Second))
	}
	live := list.Live(1, start.Add(time.Hour))
	require.Len(t, live, session.MaxSessions)
	require.Equal(t, fmt.Sprint("s", session.MaxSessions+4), live[0].ID)
	require.Equal(t, "s5", live[len(live)-1].ID)
}

func TestRule6ARepeatedUseHasTheSameSuccessor(t *testing.T) {
	t.Parallel()
	open := func() *session.List {
		list := session.Restore(nil)
		list.Open(token("s", "1"), 1, "", "", start)
		r, err := list.Rotate(token("s", "1"), "2", 1, start)
		require.NoError(t, err)
		require.Equal(t, session.Rotation{At: start}, r)
		return list
	}
	list := open()
	before := list.All()
	for _, after := range []time.Duration{0, time.Second, session.Grace - 1} {
		r, err := list.Rotate(token("s", "1"), "2", 1, start.Add(after))
		require.NoError(t, err)
		require.Equal(t, session.Rotation{At: start, Repeated: true}, r)
		require.Equal(t, before, list.All(), "a repeated use does not prolong the exception")
	}
	require.NoError(t, rotate(list, token("s", "2"), "3", 1, start.Add(session.Grace)), "the successor is valid")

	list = open()
	require.True(t, session.IsReused(rotate(list, token("s", "1"), "2", 1, start.Add(session.Grace))), "too late")
	require.True(t, session.IsReused(rotate(list, token("s", "2"), "3", 1, start.Add(session.Grace))))

	list = open()
	require.True(t, session.IsReused(rotate(list, token("s", "1"), "other", 1, start)), "another successor")

	list = open()
	require.NoError(t, rotate(list, token("s", "2"), "3", 1, start))
	require.True(t, session.IsReused(rotate(list, token("s", "1"), "2", 1, start)), "its successor was used")
	require.False(t, list.IsLive("s", 1, start))
	require.True(t, session.IsReused(rotate(list, token("s", "2"), "3", 1, start)), "the session stays ended")
}

// Of all tokens that a session has issued at most one is valid. After an old one was used, none is. The token before
// the valid one is exchanged for the valid one for a while (rule 6).
func TestAtMostOneTokenOfASessionIsValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := session.Restore(nil)
		list.Open(token("s", "0"), 1, "", "", start)
		newest, ended, rotated, now := 0, false, start, start
		t.Repeat(map[string]func(*rapid.T){
			"present": func(t *rapid.T) {
				n := rapid.IntRange(0, newest).Draw(t, "n")
				r, err := list.Rotate(token("s", fmt.Sprint(n)), fmt.Sprint(n+1), 1, now)
				switch {
				case n == newest && !ended:
					require.NoError(t, err)
					require.False(t, r.Repeated)
					newest, rotated = newest+1, now
				case n == newest-1 && !ended && now.Sub(rotated) < session.Grace:
					require.NoError(t, err)
					require.Equal(t, session.Rotation{At: rotated, Repeated: true}, r)
				default:
					require.True(t, session.IsReused(err))
					ended = true
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 12).Draw(t, "seconds")) * time.Second)
			},
			"": func(t *rapid.T) { require.Equal(t, !ended, list.IsLive("s", 1, now)) },
		})
	})
}
