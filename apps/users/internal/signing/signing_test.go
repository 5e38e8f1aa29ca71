package signing_test

import (
	"strings"
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

func TestRules1To3AKeyIsPublishedBeforeAndAfterItSigns(t *testing.T) {
	t.Parallel()
	var r signing.Ring
	_, ok := r.Signer(start)
	require.False(t, ok)
	require.True(t, r.RotationDue(time.Hour, start))
	r = r.Add(signing.Key{ID: "a"}, start)
	require.False(t, r.RotationDue(time.Hour, start.Add(time.Hour-1)))
	rotation := start.Add(time.Hour)
	require.True(t, r.RotationDue(time.Hour, rotation))
	r = r.Add(signing.Key{ID: "b"}, rotation)
	require.False(t, r.RotationDue(time.Hour, rotation))

	signer := func(at time.Time) string { k, _ := r.Signer(at); return k.ID }
	require.Equal(t, "a", signer(start.Add(-time.Minute)), "a replica whose clock is late signs too")
	require.Equal(t, []string{"a", "b"}, ids(r.Published(rotation)), "rule 2: published before it signs")
	require.Equal(t, "a", signer(rotation.Add(signing.Lead-1)))
	require.Equal(t, "b", signer(rotation.Add(signing.Lead)))
	lastOfA := rotation.Add(signing.Lead).Add(signing.TokenLife)
	require.Equal(t, []string{"a", "b"}, ids(r.Published(lastOfA)), "rule 3: published until its tokens have expired")
	require.Equal(t, []string{"b"}, ids(r.Published(lastOfA.Add(time.Hour))))
	require.Equal(t, []string{"b", "c"}, ids(r.Add(signing.Key{ID: "c"}, lastOfA.Add(time.Hour))))
}

func TestPrivateKeysAreEncrypted(t *testing.T) {
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

func TestMailTokensDependOnTheSecretAndTheMail(t *testing.T) {
	t.Parallel()
	one, err := signing.NewMailTokens("secret")
	require.NoError(t, err)
	again, err := signing.NewMailTokens("secret")
	require.NoError(t, err)
	other, err := signing.NewMailTokens("another secret")
	require.NoError(t, err)
	require.Equal(t, one.Token("m1"), again.Token("m1"), "the same in every replica and after a restart")
	require.Regexp(t, "^[A-Z2-7]{52}$", one.Token("m1"))
	require.NotEqual(t, one.Token("m1"), one.Token("m2"))
	require.NotEqual(t, one.Token("m1"), other.Token("m1"))
	_, err = signing.NewMailTokens("")
	require.Error(t, err)
}

func TestSuccessorsDependOnTheSecretAndTheToken(t *testing.T) {
	t.Parallel()
	one, err := signing.NewSuccessors("secret")
	require.NoError(t, err)
	again, err := signing.NewSuccessors("secret")
	require.NoError(t, err)
	other, err := signing.NewSuccessors("another secret")
	require.NoError(t, err)
	require.Equal(t, one.Secret("t1"), again.Secret("t1"), "the same in every replica and after a restart")
	require.Regexp(t, "^[A-Z2-7]{52}$", one.Secret("t1"))
	require.Regexp(t, "^[a-z2-7]{26}$", one.TokenID("t1"))
	require.NotEqual(t, one.Secret("t1"), one.Secret("t2"))
	require.NotEqual(t, one.Secret("t1"), other.Secret("t1"))
	require.NotEqual(t, one.TokenID("t1"), one.TokenID("t2"))
	require.NotContains(t, one.Secret("t1"), strings.ToUpper(one.TokenID("t1")), "access tokens do not tell it")
	_, err = signing.NewSuccessors("")
	require.Error(t, err)
}

// Mails, sessions and devices outlive a release, so the same secret always makes the same tokens.
func TestTokensAreThoseOfEarlierReleases(t *testing.T) {
	t.Parallel()
	mails, err := signing.NewMailTokens("s")
	require.NoError(t, err)
	require.Equal(t, "7CBAF66QSHD2HYPPGR6HFWDXVVGLMEUF2QA3E2YZGS4HMS7DBUUA", mails.Token("m1"))
	successors, err := signing.NewSuccessors("s")
	require.NoError(t, err)
	require.Equal(t, "YPWVGZWD2JSPLWTSMNZJNJK7BG6MJ5IVAW2I4W5RKGVAUXXQ3B3Q", successors.Secret("t"))
	require.Equal(t, "3eh34qa7abr3gz7i6femxmg53a", successors.TokenID("t"))
	devices, err := signing.NewDevices("s")
	require.NoError(t, err)
	require.Equal(t, "i.FFOUIPQUD5FWLTKOC7MYMNEO6OZ2NQ22PBECNFHD5PC5OGB765TA", devices.Token("i", "a@b.test"))
	require.Equal(t, "HG7ZGSGXZNJZX4MESEYS3CITALWWCU3P43QVTYCOR32AF2O4DJGQ", devices.AddressDigest("192.0.2.1"))
}
