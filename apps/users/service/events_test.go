package service_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
)

// events reads what happened to an account, all pages.
func (s *shop) events(root, id string) (all []obj) {
	s.t.Helper()
	require.NoError(s.t, s.service.Settle(s.t.Context()))
	for cursor := ""; ; {
		r := s.do("GET", "/api/v1/users/"+id+"/events?limit=3&cursor="+cursor, root, nil)
		require.Equal(s.t, 200, r.status, r.raw)
		for _, e := range r.items() {
			all = append(all, e.(obj))
		}
		if cursor = r.str("nextCursor"); cursor == "" {
			return all
		}
	}
}

func types(events []obj) (list []string) {
	for _, e := range events {
		list = append(list, e["type"].(string))
	}
	return list
}

func cursor(position string) string { return base64.RawURLEncoding.EncodeToString([]byte(position)) }

// What is done to an account is on record, the newest first: what, when and by whom, and nothing of the person,
// also when the account is gone.
func TestWhatHappenedToAnAccount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	root := s.administrator()
	rootID := s.do("GET", "/api/v1/me", root, nil).str("id")
	access, _ := s.signUp("a@example.com")
	id := s.do("GET", "/api/v1/me", access, nil).str("id")
	s.verify(s.lastMail(contract.UserVerificationRequested).Token)
	other := s.login("a@example.com", password)
	third := s.login("a@example.com", password).str("refreshToken")
	for range 3 { // the first repetition ends the session, and only that is news
		s.refresh(third)
	}
	gone := ""
	for _, x := range s.do("GET", "/api/v1/me/sessions", other.str("accessToken"), nil).items() {
		if x.(obj)["current"] == false {
			gone = x.(obj)["id"].(string)
		}
	}
	require.Equal(t, 204, s.do("DELETE", "/api/v1/me/sessions/"+gone, other.str("accessToken"), nil).status)
	require.Equal(t, 404, s.do("DELETE", "/api/v1/me/sessions/"+gone, other.str("accessToken"), nil).status)
	access = s.login("a@example.com", password).str("accessToken")
	require.Equal(t, 204, s.do("POST", "/api/v1/me/password", access, obj{"currentPassword": password, "newPassword": "a new password"}).status)
	s.do("POST", "/api/v1/me/password", access, obj{"currentPassword": "wrong", "newPassword": "a new password"})
	require.Equal(t, 200, s.do("PUT", "/api/v1/users/"+id+"/roles", root, obj{"roles": []string{"staff"}}).status)
	require.Equal(t, 200, s.do("PUT", "/api/v1/users/"+id+"/roles", root, obj{"roles": []string{"staff"}}).status, "no change, no record")
	require.Equal(t, 412, s.do("PUT", "/api/v1/users/"+id+"/roles", root, obj{"roles": []string{"admin"}}, "If-Match", `"x"`).status)
	s.askMove(access, "b@example.com", "a new password")
	s.verify(s.lastMail(contract.UserEmailChangeAsked).Token)
	s.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": "b@example.com"})
	reset := s.lastMail(contract.UserPasswordResetAsked)
	require.Equal(t, 204, s.do("POST", "/api/v1/auth/reset-password", "", obj{"token": reset.Token, "password": password}).status)
	for range 8 { // five failures, three refusals
		s.login("b@example.com", "wrong")
	}
	s.login("nobody@example.com", "wrong")
	require.NoError(t, s.service.Settle(t.Context())) // it is recorded after the answer
	s.clock.pass(5 * time.Minute)
	access = s.login("b@example.com", password).str("accessToken")
	require.Equal(t, 204, s.do("DELETE", "/api/v1/me", access, nil).status)

	all := s.events(root, id)
	require.Equal(t, []string{
		"user.deleted", "user.sign-in-throttled", "user.password-reset", "user.password-reset-asked", "user.email-changed",
		"user.email-change-asked", "user.roles-changed", "user.password-changed", "user.session-ended", "user.token-reused",
		"user.email-verified", "user.verification-requested",
	}, types(all))
	by := map[string]any{}
	for i, e := range all {
		require.EqualValues(t, len(all)-i, e["seq"])
		require.NotEmpty(t, e["at"])
		by[e["type"].(string)] = e["by"]
	}
	require.Equal(t, map[string]any{
		"user.deleted": id, "user.sign-in-throttled": nil, "user.password-reset": nil, "user.password-reset-asked": nil, "user.email-changed": nil,
		"user.email-change-asked": id, "user.roles-changed": rootID, "user.password-changed": id, "user.session-ended": id,
		"user.token-reused": nil, "user.email-verified": nil, "user.verification-requested": nil,
	}, by)
	require.Equal(t, gone, all[8]["sessionId"])
	require.NotEmpty(t, all[9]["sessionId"])
	require.Equal(t, []any{"customer"}, all[6]["was"])
	require.Equal(t, []any{"staff"}, all[6]["roles"])
	raw, err := json.Marshal(all)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "example.com")
	require.NotContains(t, string(raw), "mailId")
}

func TestOnlyAdministratorsReadWhatHappened(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	root := s.administrator()
	access, _ := s.signUp("a@example.com")
	id := s.do("GET", "/api/v1/me", access, nil).str("id")
	path := "/api/v1/users/" + id + "/events"
	require.Equal(t, 401, s.do("GET", path, "", nil).status)
	require.Equal(t, 403, s.do("GET", path, access, nil).status, "not even one's own")
	require.Equal(t, 404, s.do("GET", "/api/v1/users/nobody/events", root, nil).status)
	require.Equal(t, "path.id", s.do("GET", "/api/v1/users/NOBODY/events", root, nil).field())
	require.Equal(t, "query.cursor", s.do("GET", path+"?cursor=!!", root, nil).field())
	require.Equal(t, "query.limit", s.do("GET", path+"?limit=101", root, nil).field())
	for _, position := range []string{`{"s":99,"n":99}`, `{"s":1,"n":1}`} { // made up: nothing, and no harm
		r := s.do("GET", fmt.Sprintf("%s?cursor=%s", path, cursor(position)), root, nil)
		require.Equal(t, 200, r.status, r.raw)
	}
}
