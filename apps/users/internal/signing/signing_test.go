package signing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/signing"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func ids(r signing.Ring) (ids []string) {
	for _, k := range r {
		ids = append(ids, k.ID)
	}
	return ids
}

func TestRotation(t *testing.T) {
	t.Parallel()
	var r signing.Ring
	_, ok := r.Signer(start)
	require.False(t, ok)
	require.True(t, r.Due(time.Hour, start))
	r = r.Add(signing.Key{ID: "a"}, start)
	require.False(t, r.Due(time.Hour, start.Add(time.Hour-1)))
	turn := start.Add(time.Hour)
	require.True(t, r.Due(time.Hour, turn))
	r = r.Add(signing.Key{ID: "b"}, turn)
	require.False(t, r.Due(time.Hour, turn))

	signer := func(at time.Time) string { k, _ := r.Signer(at); return k.ID }
	require.Equal(t, "a", signer(start.Add(-time.Minute)), "a clock behind still signs")
	require.Equal(t, []string{"a", "b"}, ids(r.Published(turn)), "rule 2: known before it signs")
	require.Equal(t, "a", signer(turn.Add(signing.Lead-1)))
	require.Equal(t, "b", signer(turn.Add(signing.Lead)))
	lastOfA := turn.Add(signing.Lead).Add(signing.TokenLife)
	require.Equal(t, []string{"a", "b"}, ids(r.Published(lastOfA)), "rule 3: until the last token expired")
	require.Equal(t, []string{"b"}, ids(r.Published(lastOfA.Add(time.Hour))))
	require.Equal(t, []string{"b", "c"}, ids(r.Add(signing.Key{ID: "c"}, lastOfA.Add(time.Hour))))
}

func TestSealing(t *testing.T) {
	t.Parallel()
	_, err := signing.NewSealer("")
	require.Error(t, err)
	s, err := signing.NewSealer("secret")
	require.NoError(t, err)
	k, err := s.Generate("k1")
	require.NoError(t, err)
	private, err := s.Open(k)
	require.NoError(t, err)
	require.NotContains(t, string(k.Sealed), string(private.Seed()))

	other, err := signing.NewSealer("another")
	require.NoError(t, err)
	_, err = other.Open(k)
	require.ErrorContains(t, err, "k1")
	renamed := k
	renamed.ID = "k2"
	_, err = s.Open(renamed)
	require.Error(t, err)
	second, err := s.Generate("k1")
	require.NoError(t, err)
	swapped := k
	swapped.Public = second.Public
	_, err = s.Open(swapped)
	require.Error(t, err)
}

func TestMailedTokens(t *testing.T) {
	t.Parallel()
	one, err := signing.NewMailed("secret")
	require.NoError(t, err)
	again, err := signing.NewMailed("secret")
	require.NoError(t, err)
	other, err := signing.NewMailed("another secret")
	require.NoError(t, err)
	require.Equal(t, one.Token("m1"), again.Token("m1"), "every replica, and after a restart")
	require.Regexp(t, "^[A-Z2-7]{52}$", one.Token("m1"))
	require.NotEqual(t, one.Token("m1"), one.Token("m2"))
	require.NotEqual(t, one.Token("m1"), other.Token("m1"))
	_, err = signing.NewMailed("")
	require.Error(t, err)
}
