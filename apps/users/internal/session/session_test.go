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
	list.Open(token("s1", "1"), 1, "phone", start)
	list.Open(token("s2", "1"), 1, "desk", start)
	require.NoError(t, list.Rotate(token("s1", "1"), "2", 1, start))
	require.NoError(t, list.Rotate(token("s1", "2"), "3", 1, start))
	forged := token("s1", "3")
	forged.Family = "guessed"
	require.True(t, fault.Is(list.Rotate(forged, "4", 1, start), "invalid-token"), "a guess does not end the session")
	require.True(t, list.IsLive("s1", 1, start))
	require.True(t, session.IsReused(list.Rotate(token("s1", "1"), "4", 1, start)))
	require.False(t, list.IsLive("s1", 1, start))
	require.True(t, session.IsReused(list.Rotate(token("s1", "3"), "4", 1, start)))
	require.True(t, list.IsLive("s2", 1, start), "the other session continues")
	for _, s := range list.All() {
		require.NotContains(t, fmt.Sprintf("%+v", s), "family-")
	}
}

func TestRule3SessionsExpire(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	list.Open(token("s", "0"), 1, "", start)
	now := start
	for i := range 3 {
		now = now.Add(session.MaxIdle - time.Second)
		require.NoError(t, list.Rotate(token("s", fmt.Sprint(i)), fmt.Sprint(i+1), 1, now))
	}
	require.Equal(t, start.Add(session.MaxLifetime), list.All()[0].ExpiresAt())
	require.Error(t, list.Rotate(token("s", "3"), "4", 1, start.Add(session.MaxLifetime)))
}

func TestRule4ANewPasswordEndsOtherSessions(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	list.Open(token("kept", "1"), 1, "", start)
	list.Open(token("lost", "1"), 1, "", start)
	require.Error(t, list.Rotate(token("kept", "1"), "2", 2, start))
	list.EndOthers("kept", 1, 2, start)
	require.True(t, list.IsLive("kept", 2, start))
	require.False(t, list.IsLive("lost", 2, start))
	list.Open(token("late", "1"), 1, "", start) // a sign-in with the old password that was slow
	require.True(t, list.IsLive("kept", 2, start))
	require.False(t, list.IsLive("late", 2, start))
}

func TestRule5TheNumberOfSessionsIsLimited(t *testing.T) {
	t.Parallel()
	list := session.Restore(nil)
	for i := range session.MaxSessions + 5 {
		list.Open(token(fmt.Sprint("s", i), "1"), 1, "", start.Add(time.Duration(i)*time.Second))
	}
	live := list.Live(1, start.Add(time.Hour))
	require.Len(t, live, session.MaxSessions)
	require.Equal(t, fmt.Sprint("s", session.MaxSessions+4), live[0].ID)
	require.Equal(t, "s5", live[len(live)-1].ID)
}

// Of all tokens that a session has issued at most one is valid. After an old one was used, none is.
func TestAtMostOneTokenOfASessionIsValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := session.Restore(nil)
		list.Open(token("s", "0"), 1, "", start)
		newest, ended := 0, false
		t.Repeat(map[string]func(*rapid.T){
			"present": func(t *rapid.T) {
				n := rapid.IntRange(0, newest).Draw(t, "n")
				err := list.Rotate(token("s", fmt.Sprint(n)), fmt.Sprint(newest+1), 1, start)
				if n == newest && !ended {
					require.NoError(t, err)
					newest++
					return
				}
				require.True(t, session.IsReused(err))
				ended = true
			},
			"": func(t *rapid.T) { require.Equal(t, !ended, list.IsLive("s", 1, start)) },
		})
	})
}
