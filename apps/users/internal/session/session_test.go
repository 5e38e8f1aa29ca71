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

func TestTokenReadsBack(t *testing.T) {
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

func TestRule1And2Rotation(t *testing.T) {
	t.Parallel()
	b := session.Restore(nil)
	b.Open(token("s1", "1"), 1, "phone", start)
	b.Open(token("s2", "1"), 1, "desk", start)
	require.NoError(t, b.Rotate(token("s1", "1"), "2", 1, start))
	require.NoError(t, b.Rotate(token("s1", "2"), "3", 1, start))
	forged := token("s1", "3")
	forged.Family = "guessed"
	require.True(t, fault.Is(b.Rotate(forged, "4", 1, start), "invalid-token"), "a guess ends nothing")
	require.True(t, b.IsLive("s1", 1, start))
	require.True(t, session.Reused(b.Rotate(token("s1", "1"), "4", 1, start)))
	require.False(t, b.IsLive("s1", 1, start))
	require.True(t, session.Reused(b.Rotate(token("s1", "3"), "4", 1, start)))
	require.True(t, b.IsLive("s2", 1, start), "another session is not touched")
	for _, s := range b.Sessions() {
		require.NotContains(t, fmt.Sprintf("%+v", s), "family-")
	}
}

func TestRule3Times(t *testing.T) {
	t.Parallel()
	b := session.Restore(nil)
	b.Open(token("s", "0"), 1, "", start)
	now := start
	for i := range 3 {
		now = now.Add(session.Idle - time.Second)
		require.NoError(t, b.Rotate(token("s", fmt.Sprint(i)), fmt.Sprint(i+1), 1, now))
	}
	require.Equal(t, start.Add(session.Longest), b.Sessions()[0].ExpiresAt())
	require.Error(t, b.Rotate(token("s", "3"), "4", 1, start.Add(session.Longest)))
}

func TestRule4Epochs(t *testing.T) {
	t.Parallel()
	b := session.Restore(nil)
	b.Open(token("kept", "1"), 1, "", start)
	b.Open(token("lost", "1"), 1, "", start)
	require.Error(t, b.Rotate(token("kept", "1"), "2", 2, start))
	b.Keep("kept", 1, 2, start)
	require.True(t, b.IsLive("kept", 2, start))
	require.False(t, b.IsLive("lost", 2, start))
	b.Open(token("late", "1"), 1, "", start) // signed in with the old password meanwhile
	require.True(t, b.IsLive("kept", 2, start))
	require.False(t, b.IsLive("late", 2, start))
}

func TestRule5Most(t *testing.T) {
	t.Parallel()
	b := session.Restore(nil)
	for i := range session.Most + 5 {
		b.Open(token(fmt.Sprint("s", i), "1"), 1, "", start.Add(time.Duration(i)*time.Second))
	}
	live := b.Live(1, start.Add(time.Hour))
	require.Len(t, live, session.Most)
	require.Equal(t, fmt.Sprint("s", session.Most+4), live[0].ID)
	require.Equal(t, "s5", live[len(live)-1].ID)
}

// Of all tokens ever given out for a session at most one serves, and once an old one came none does.
func TestOneTokenServes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := session.Restore(nil)
		b.Open(token("s", "0"), 1, "", start)
		newest, over := 0, false
		t.Repeat(map[string]func(*rapid.T){
			"present": func(t *rapid.T) {
				n := rapid.IntRange(0, newest).Draw(t, "n")
				err := b.Rotate(token("s", fmt.Sprint(n)), fmt.Sprint(newest+1), 1, start)
				if n == newest && !over {
					require.NoError(t, err)
					newest++
					return
				}
				require.True(t, session.Reused(err))
				over = true
			},
			"": func(t *rapid.T) { require.Equal(t, !over, b.IsLive("s", 1, start)) },
		})
	})
}
