package service

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
)

func TestUsersChangeTheirProfile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	require.Equal(t, "unauthenticated", f.me("").problem())
	require.Equal(t, "invalid-token", f.me(access+"x").problem())
	r := f.me(access)
	require.Equal(t, 200, r.status)
	tag := r.header.Get("ETag")
	require.Equal(t, 304, f.do("GET", "/api/v1/me", access, nil, "If-None-Match", tag).status)

	patch := func(body any, headers ...string) reply {
		return f.do("PATCH", "/api/v1/me", access, body, headers...)
	}
	require.Equal(t, "Grace", patch(obj{"name": " Grace "}).str("name"))
	require.Equal(t, 412, patch(obj{"name": "Joan"}, "If-Match", tag).status)
	now := f.me(access)
	require.NotEqual(t, tag, now.header.Get("ETag"))
	require.Equal(t, 200, patch(obj{}, "If-Match", now.header.Get("ETag")).status)
	for _, bad := range []obj{{"name": ""}, {"name": " "}, {"name": 1}, {"name": strings.Repeat("n", 201)}} {
		require.Equal(t, "body.name", patch(bad).field(), bad)
	}
	require.Equal(t, "body.roles", patch(obj{"roles": []string{"admin"}}).field())
	f.clock.pass(11 * time.Minute)
	require.Equal(t, "invalid-token", f.me(access).problem())
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("a@example.com")
	other := f.login("a@example.com", password)
	wrong := f.changePassword(access, "wrong", "a new password")
	require.Equal(t, "invalid-credentials", wrong.problem())
	require.Equal(t, 422, wrong.status, "not 401: the access token is valid")
	require.Equal(t, "body.currentPassword", wrong.field())
	require.Equal(t, "body.newPassword", f.changePassword(access, password, "short").field())
	require.Equal(t, 204, f.changePassword(access, password, "a new password").status)
	require.Equal(t, 401, f.refresh(other.str("refreshToken")).status, "the other session has ended")
	require.Equal(t, 200, f.refresh(refresh).status, "this session continues")
	require.Equal(t, 401, f.login("a@example.com", password).status)
	require.Equal(t, 200, f.login("a@example.com", "a new password").status)
	for range 5 {
		f.changePassword(access, "wrong", "a new password")
	}
	throttled := f.changePassword(access, "a new password", "a newer password")
	require.Equal(t, 429, throttled.status, "wrong passwords are counted here too")
}

func TestWeakPasswordsAreRefusedWhereverOneIsSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("ada.byron@example.com")
	f.forgotPassword("ada.byron@example.com")
	token := f.lastMail(contract.UserPasswordResetAsked).Token
	require.Equal(t, "body.password", f.register("iloveyou@example.com", "iloveyou").field())
	require.Equal(t, "body.password", f.register("ada.lovelace@example.com", "Ada.Lovelace").field())
	for _, weak := range []string{"password1", "Password1!", "ada.byron@example.com", "ada.byron", "haberdash"} {
		for at, r := range map[string]reply{
			"body.newPassword": f.changePassword(access, password, weak),
			"body.password":    f.resetPassword(token, weak),
		} {
			require.Equal(t, 422, r.status, weak)
			require.Equal(t, "invalid-request", r.problem())
			require.Equal(t, at, r.field())
			require.NotContains(t, r.raw, `"`+weak)
		}
	}
	require.Equal(t, 204, f.resetPassword(token, "a new password").status, "a refused password does not use up the token")
}

func TestADeletionNeedsThePassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("a@example.com")
	remove := func(access string, body any) reply { return f.do("DELETE", "/api/v1/me", access, body) }
	without := remove(access, nil)
	require.Equal(t, 400, without.status)
	require.Equal(t, "body", without.field())
	for _, missing := range []any{obj{}, obj{"password": ""}, obj{"password": nil}, obj{"Password": password}} {
		r := remove(access, missing)
		require.Equal(t, 422, r.status, "%v: %s", missing, r.raw)
		require.Contains(t, r.raw, `"body.password"`, "%v", missing)
	}
	require.Equal(t, 401, remove("", nil).status)
	require.Equal(t, 401, remove("", obj{"password": password}).status)
	wrong := remove(access, obj{"password": "wrong"})
	require.Equal(t, 422, wrong.status, "as for a change of the password")
	require.Equal(t, "invalid-credentials", wrong.problem())
	require.Equal(t, "body.password", wrong.field())
	for range 4 {
		remove(access, obj{"password": "wrong"})
	}
	require.Equal(t, 429, remove(access, obj{"password": password}).status, "wrong passwords are slowed down")
	require.Equal(t, 200, f.me(access).status)
	require.Empty(t, f.mails(contract.UserDeleted))
	f.clock.pass(5 * time.Minute)
	require.Equal(t, 204, remove(access, obj{"password": password}).status)
	require.Equal(t, 401, f.refresh(refresh).status)

	root := f.administrator()
	r := remove(root, obj{"password": firstAdministrator.Password})
	require.Equal(t, "own-role", r.problem())
}

func TestUsersKeepAddresses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	stranger, _ := f.signUp("b@example.com")
	const path = "/api/v1/me/addresses"
	list := f.do("GET", path, access, nil)
	require.Contains(t, list.raw, `"items":[]`)
	require.Contains(t, list.raw, `"nextCursor":null`)
	valid := func() obj {
		return obj{"name": " Ada ", "line1": "1 High St", "line2": "", "city": "London", "region": "",
			"postalCode": "E1", "country": "GB"}
	}
	made := f.do("POST", path, access, valid())
	require.Equal(t, 201, made.status, made.raw)
	require.Equal(t, "Ada", made.str("name"))
	id := made.str("id")
	changed := valid()
	changed["city"] = "Leeds"
	require.Equal(t, "Leeds", f.do("PUT", path+"/"+id, access, changed).str("city"))
	require.Equal(t, "Leeds", f.do("GET", path, access, nil).items()[0].(obj)["city"])
	require.Equal(t, 404, f.do("PUT", path+"/"+id, stranger, changed).status)
	require.Equal(t, 404, f.do("DELETE", path+"/"+id, stranger, nil).status)
	require.Equal(t, "path.id", f.do("DELETE", path+"/A%20B", access, nil).field())
	for member, value := range map[string]any{"country": "gb", "city": "", "postalCode": strings.Repeat("1", 21),
		"name": " ", "line1": 5, "line2": "a\nb", "planet": "x"} {
		invalid := valid()
		invalid[member] = value
		r := f.do("POST", path, access, invalid)
		require.Equal(t, 422, r.status, r.raw)
		require.Equal(t, "body."+member, r.field(), r.raw)
	}
	for range 49 {
		require.Equal(t, 201, f.do("POST", path, access, valid()).status)
	}
	require.Equal(t, "too-many-addresses", f.do("POST", path, access, valid()).problem())
	seen := map[string]bool{}
	for next := ""; ; {
		page := f.do("GET", path+"?limit=20&cursor="+next, access, nil)
		require.Equal(t, 200, page.status, page.raw)
		for _, x := range page.items() {
			seen[x.(obj)["id"].(string)] = true
		}
		if next = page.str("nextCursor"); next == "" {
			break
		}
	}
	require.Len(t, seen, 50)
	require.Equal(t, "query.cursor", f.do("GET", path+"?cursor=!!", access, nil).field())
	require.Equal(t, "query.limit", f.do("GET", path+"?limit=0", access, nil).field())
	require.Equal(t, 204, f.do("DELETE", path+"/"+id, access, nil).status)
	require.Equal(t, 404, f.do("DELETE", path+"/"+id, access, nil).status)
}

func TestUsersEndTheirSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	f.clock.pass(time.Second)
	credentials := obj{"email": "a@example.com", "password": password}
	other := f.do("POST", "/api/v1/auth/login", "", credentials, "User-Agent", "Phone\x01")
	stranger, _ := f.signUp("b@example.com")
	list := f.do("GET", "/api/v1/me/sessions", access, nil)
	require.Len(t, list.items(), 2, list.raw)
	phone := list.items()[0].(obj)
	require.Equal(t, "Phone", phone["userAgent"])
	require.Equal(t, false, phone["current"])
	require.Equal(t, true, list.items()[1].(obj)["current"])
	path := fmt.Sprintf("/api/v1/me/sessions/%s", phone["id"])
	require.Equal(t, 404, f.do("DELETE", path, stranger, nil).status)
	require.Equal(t, 204, f.do("DELETE", path, access, nil).status)
	require.Equal(t, 404, f.do("DELETE", path, access, nil).status)
	require.Equal(t, 401, f.refresh(other.str("refreshToken")).status)
	require.Equal(t, 401, f.me(other.str("accessToken")).status)
	require.Equal(t, 200, f.me(access).status)
}
