package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

// How long tests wait for what happens in the background, and how often they look.
const (
	soon = 20 * time.Second
	tick = 5 * time.Millisecond
)

// private are words that lead to a person.
var private = []string{"zoe@example", "Secretname", "Secretstreet", "Zoephone"}

// erased reports whether nothing is left of an account but its tombstone.
func (s *shop) erased(id string) bool {
	s.t.Helper()
	item, err := s.state.Get(s.t.Context(), "user/"+id)
	require.NoError(s.t, err)
	if !strings.Contains(string(item.Value), `"deleted":true`) {
		return false
	}
	sessions, err := s.state.Get(s.t.Context(), "sessions/"+id)
	require.NoError(s.t, err)
	return !sessions.Found() || string(sessions.Value) == `{"sessions":[]}`
}

func TestDeleteMe(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, refresh := s.signUp("a@example.com")
	s.verify(s.lastMail(contract.UserVerificationRequested).Token)
	s.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": "a@example.com"})
	mail := s.lastMail(contract.UserPasswordResetAsked)
	require.Equal(t, 204, s.do("DELETE", "/api/v1/me", access, nil).status)
	require.Equal(t, 401, s.do("GET", "/api/v1/me", access, nil).status)
	require.Equal(t, 401, s.do("DELETE", "/api/v1/me", access, nil).status)
	require.Equal(t, 401, s.refresh(refresh).status)
	require.Equal(t, 401, s.login("a@example.com", password).status)
	require.Equal(t, 422, s.do("POST", "/api/v1/auth/reset-password", "", obj{"token": mail.Token, "password": "a new password"}).status)
	require.Empty(t, s.lastMail(contract.UserPasswordResetAsked).UserLetter, "a mail that is not written yet has nothing to say")
	again := s.register("a@example.com", "a new password")
	require.Equal(t, 201, again.status)
	require.NotEqual(t, mail.UserID, again.str("id"))
}

// Of somebody who has done all that leaves a trace, no store and no topic knows the address, the name or the
// street afterwards.
func TestNothingPersonalRemains(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	s := newReplica(t, state, nil)
	s.service.Start(t.Context())
	require.Equal(t, 201, s.do("POST", "/api/v1/auth/register", "", obj{"email": "zoe@example.com", "password": password, "name": "Zoe Secretname"}).status)
	r := s.do("POST", "/api/v1/auth/login", "", obj{"email": "zoe@example.com", "password": password}, "User-Agent", "Zoephone")
	access := r.str("accessToken")
	id := r.json["user"].(obj)["id"].(string)
	require.Equal(t, 201, s.do("POST", "/api/v1/me/addresses", access, obj{"name": "Zoe", "line1": "Secretstreet 1", "city": "C", "postalCode": "1", "country": "DE"}).status)
	require.Equal(t, 202, s.do("POST", "/api/v1/me/verification", access, nil).status)
	s.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": "zoe@example.com"})
	require.Len(t, s.mails(contract.UserPasswordResetAsked), 1)
	traces := func() (found []string) {
		for key, value := range state.All() {
			for _, word := range private {
				if strings.Contains(key+" "+value, word) {
					found = append(found, key)
				}
			}
		}
		return found
	}
	require.NotEmpty(t, traces())
	require.Equal(t, 204, s.do("DELETE", "/api/v1/me", access, nil).status)
	require.Empty(t, traces())
	for key := range state.All() {
		require.False(t, strings.HasPrefix(key, "email/") || strings.HasPrefix(key, "token/"), key)
	}
	require.Eventually(t, func() bool { return strings.Contains(s.sentTo(contract.TopicUsers), contract.UserDeleted) }, soon, tick)
	topic := s.sentTo(contract.TopicUsers)
	for _, word := range private {
		require.NotContains(t, topic, word)
	}
	require.Contains(t, topic, id)
}

// sentTo gives all that was published to a topic.
func (s *shop) sentTo(topic string) string {
	var b strings.Builder
	for _, m := range s.mesh.Sent(topic) {
		b.Write(m.Data)
	}
	return b.String()
}

// Whoever loses a mailbox to its owner is erased everywhere, too.
func TestTheLoserOfAMailboxIsErased(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.register("a@example.com", "the first password")
	s.mails("")
	s.register("a@example.com", "the second password")
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserVerificationRequested).Token).status)
	require.True(t, s.erased(first.str("id")))
	gone := s.mails(contract.UserDeleted)
	require.Len(t, gone, 1)
	require.Equal(t, first.str("id"), gone[0].UserID)
}
