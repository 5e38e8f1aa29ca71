package service

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/session"
	"haberdash/internal/contract"
)

// events reads the whole audit trail of an account, in pages.
func (f *fixture) events(root, id string) (all []obj) {
	f.t.Helper()
	f.finishTasks()
	for cursor := ""; ; {
		r := f.do("GET", "/api/v1/users/"+id+"/events?limit=3&cursor="+cursor, root, nil)
		require.Equal(f.t, 200, r.status, r.raw)
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

// The audit trail has each action with its time and the user who did it, the newest first, and no personal data. It
// stays when the account is deleted.
func TestTheAuditTrailRecordsEachAction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.administrator()
	rootID := f.me(root).str("id")
	access, _ := f.signUp("a@example.com")
	id := f.me(access).str("id")
	f.verify(f.lastMail(contract.UserVerificationRequested).Token)
	other := f.login("a@example.com", password)
	third := f.login("a@example.com", password).str("refreshToken")
	for range 3 { // only the second use of the token, which ends the session, is recorded
		f.refresh(third)
		f.clock.pass(session.Grace)
	}
	ended := ""
	for _, x := range f.do("GET", "/api/v1/me/sessions", other.str("accessToken"), nil).items() {
		if x.(obj)["current"] == false {
			ended = x.(obj)["id"].(string)
		}
	}
	path := "/api/v1/me/sessions/" + ended
	require.Equal(t, 204, f.do("DELETE", path, other.str("accessToken"), nil).status)
	require.Equal(t, 404, f.do("DELETE", path, other.str("accessToken"), nil).status)
	access = f.login("a@example.com", password).str("accessToken")
	require.Equal(t, 204, f.changePassword(access, password, "a new password").status)
	f.changePassword(access, "wrong", "a new password")
	roles := "/api/v1/users/" + id + "/roles"
	require.Equal(t, 200, f.do("PUT", roles, root, obj{"roles": []string{"staff"}}).status)
	require.Equal(t, 200, f.do("PUT", roles, root, obj{"roles": []string{"staff"}}).status, "no change is not recorded")
	require.Equal(t, 412, f.do("PUT", roles, root, obj{"roles": []string{"admin"}}, "If-Match", `"x"`).status)
	f.requestEmailChange(access, "b@example.com", "a new password")
	f.verify(f.lastMail(contract.UserEmailChangeAsked).Token)
	f.forgotPassword("b@example.com")
	reset := f.lastMail(contract.UserPasswordResetAsked)
	require.Equal(t, 204, f.resetPassword(reset.Token, password).status)
	for range 8 { // five wrong passwords, and three throttled sign-ins
		f.login("b@example.com", "wrong")
	}
	f.login("nobody@example.com", "wrong")
	f.finishTasks() // throttling is recorded in the background
	f.clock.pass(5 * time.Minute)
	access = f.login("b@example.com", password).str("accessToken")
	require.Equal(t, 204, f.deleteMe(access).status)

	all := f.events(root, id)
	require.Equal(t, []string{
		"user.deleted", "user.sign-in-throttled", "user.password-reset", "user.password-reset-asked",
		"user.email-changed", "user.email-change-asked", "user.roles-changed", "user.password-changed",
		"user.session-ended", "user.token-reused", "user.email-verified", "user.verification-requested",
	}, types(all))
	by := map[string]any{}
	for i, e := range all {
		require.EqualValues(t, len(all)-i, e["seq"])
		require.NotEmpty(t, e["at"])
		by[e["type"].(string)] = e["by"]
	}
	require.Equal(t, map[string]any{
		"user.deleted": id, "user.sign-in-throttled": nil, "user.password-reset": nil,
		"user.password-reset-asked": nil, "user.email-changed": nil, "user.email-change-asked": id,
		"user.roles-changed": rootID, "user.password-changed": id, "user.session-ended": id,
		"user.token-reused": nil, "user.email-verified": nil, "user.verification-requested": nil,
	}, by)
	require.Equal(t, ended, all[8]["sessionId"])
	require.NotEmpty(t, all[9]["sessionId"])
	require.Equal(t, []any{"customer"}, all[6]["was"])
	require.Equal(t, []any{"staff"}, all[6]["roles"])
	raw, err := json.Marshal(all)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "example.com")
	require.NotContains(t, string(raw), "mailId")
}

func TestOnlyAdministratorsReadTheAuditTrail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.administrator()
	access, _ := f.signUp("a@example.com")
	id := f.me(access).str("id")
	path := "/api/v1/users/" + id + "/events"
	require.Equal(t, 401, f.do("GET", path, "", nil).status)
	require.Equal(t, 403, f.do("GET", path, access, nil).status, "not even users their own")
	require.Equal(t, 404, f.do("GET", "/api/v1/users/nobody/events", root, nil).status)
	require.Equal(t, "path.id", f.do("GET", "/api/v1/users/NOBODY/events", root, nil).field())
	require.Equal(t, "query.cursor", f.do("GET", path+"?cursor=!!", root, nil).field())
	require.Equal(t, "query.limit", f.do("GET", path+"?limit=101", root, nil).field())
	for _, position := range []string{`{"s":99,"n":99}`, `{"s":1,"n":1}`} { // invented cursors
		r := f.do("GET", fmt.Sprintf("%s?cursor=%s", path, cursor(position)), root, nil)
		require.Equal(t, 200, r.status, r.raw)
	}
}
