package service

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/trail"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

// soon is how long tests wait for background work, tick how often they check.
const (
	soon = 20 * time.Second
	tick = 5 * time.Millisecond
)

// personalData has parts of the e-mail address, the name, the address and the browser of a user.
var personalData = []string{"zoe@example", "Secretname", "Secretstreet", "Zoephone"}

// erased reports whether the account is deleted and has no sessions.
func (f *fixture) erased(id string) bool {
	f.t.Helper()
	item, err := f.state.Get(f.t.Context(), "user/"+id)
	require.NoError(f.t, err)
	if !strings.Contains(string(item.Value), `"deleted":true`) {
		return false
	}
	sessions, err := f.state.Get(f.t.Context(), "sessions/"+id)
	require.NoError(f.t, err)
	return !sessions.Found() || string(sessions.Value) == `{"sessions":[]}`
}

func TestUsersDeleteTheirAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("a@example.com")
	f.verify(f.lastMail(contract.UserVerificationRequested).Token)
	f.forgotPassword("a@example.com")
	mail := f.lastMail(contract.UserPasswordResetAsked)
	require.Equal(t, 204, f.deleteMe(access).status)
	require.Equal(t, 401, f.me(access).status)
	require.Equal(t, 401, f.deleteMe(access).status)
	require.Equal(t, 401, f.refresh(refresh).status)
	require.Equal(t, 401, f.login("a@example.com", password).status)
	require.Equal(t, 422, f.resetPassword(mail.Token, "a new password").status)
	require.Empty(t, f.lastMail(contract.UserPasswordResetAsked).UserLetter, "the mail is not needed any more")
	again := f.register("a@example.com", "a new password")
	require.Equal(t, 201, again.status)
	require.NotEqual(t, mail.UserID, again.str("id"))
}

// After the deletion of an account that has used all features, neither the store nor the topic has its personal data.
func TestNothingPersonalRemains(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	f := newReplica(t, state, nil)
	f.runBackgroundWork()
	user := obj{"email": "zoe@example.com", "password": password, "name": "Zoe Secretname"}
	require.Equal(t, 201, f.do("POST", "/api/v1/auth/register", "", user).status)
	delete(user, "name")
	r := f.do("POST", "/api/v1/auth/login", "", user, "User-Agent", "Zoephone")
	access := r.str("accessToken")
	id := r.user()["id"].(string)
	address := obj{"name": "Zoe", "line1": "Secretstreet 1", "city": "C", "postalCode": "1", "country": "DE"}
	require.Equal(t, 201, f.do("POST", "/api/v1/me/addresses", access, address).status)
	require.Equal(t, 202, f.do("POST", "/api/v1/me/verification", access, nil).status)
	f.forgotPassword("zoe@example.com")
	require.Len(t, f.mails(contract.UserPasswordResetAsked), 1)
	remains := func() (found []string) {
		for key, value := range state.All() {
			for _, word := range personalData {
				if strings.Contains(key+" "+value, word) {
					found = append(found, key)
				}
			}
		}
		return found
	}
	require.NotEmpty(t, remains())
	require.Equal(t, 204, f.deleteMe(access).status)
	require.Empty(t, remains())
	for key := range state.All() {
		require.False(t, strings.HasPrefix(key, "email/") || strings.HasPrefix(key, "token/"), key)
	}
	published := func() bool { return strings.Contains(f.sentTo(contract.TopicUsers), contract.UserDeleted) }
	require.Eventually(t, published, soon, tick)
	topic := f.sentTo(contract.TopicUsers)
	for _, word := range personalData {
		require.NotContains(t, topic, word)
	}
	require.Contains(t, topic, id)
}

// sentTo returns all data that was published to a topic.
func (f *fixture) sentTo(topic string) string {
	var b strings.Builder
	for _, m := range f.mesh.Sent(topic) {
		b.Write(m.Data)
	}
	return b.String()
}

func TestAnAccountThatLosesItsMailboxIsErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.register("a@example.com", "the first password")
	f.mails("")
	f.register("a@example.com", "the second password")
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	require.True(t, f.erased(first.str("id")))
	deleted := f.mails(contract.UserDeleted)
	require.Len(t, deleted, 1)
	require.Equal(t, first.str("id"), deleted[0].UserID)
}

// An account whose document is damaged does not stop the deletions after it.
func TestDeletionsGoOnAfterAnAccountThatCannotBeErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	state := f.state.(*memory.State)
	var ids []string
	for _, email := range []string{"damaged@example.com", "next@example.com"} {
		access, _ := f.signUp(email)
		id := f.do("GET", "/api/v1/me", access, nil).str("id")
		require.NoError(t, f.service.mailboxes.Trail.AddDeletion(t.Context(), trail.ByOwner(id)))
		ids = append(ids, id)
	}
	require.NoError(t, state.Put(t.Context(), "user/"+ids[0], []byte("{"), ""))
	f.runBackgroundWork()
	require.Eventually(t, func() bool { return f.erased(ids[1]) }, soon, tick)
}
