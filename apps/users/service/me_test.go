package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMe(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, _ := s.signUp("a@example.com")
	require.Equal(t, "unauthenticated", s.do("GET", "/api/v1/me", "", nil).problem())
	require.Equal(t, "invalid-token", s.do("GET", "/api/v1/me", access+"x", nil).problem())
	r := s.do("GET", "/api/v1/me", access, nil)
	require.Equal(t, 200, r.status)
	tag := r.header.Get("ETag")
	require.Equal(t, 304, s.do("GET", "/api/v1/me", access, nil, "If-None-Match", tag).status)

	patch := func(body any, headers ...string) reply { return s.do("PATCH", "/api/v1/me", access, body, headers...) }
	require.Equal(t, "Grace", patch(obj{"name": " Grace "}).str("name"))
	require.Equal(t, 412, patch(obj{"name": "Joan"}, "If-Match", tag).status)
	now := s.do("GET", "/api/v1/me", access, nil)
	require.NotEqual(t, tag, now.header.Get("ETag"))
	require.Equal(t, 200, patch(obj{}, "If-Match", now.header.Get("ETag")).status)
	for _, bad := range []obj{{"name": ""}, {"name": " "}, {"name": 1}, {"name": strings.Repeat("n", 201)}} {
		require.Equal(t, "body.name", patch(bad).field(), bad)
	}
	require.Equal(t, "body.roles", patch(obj{"roles": []string{"admin"}}).field())
	s.clock.pass(11 * time.Minute)
	require.Equal(t, "invalid-token", s.do("GET", "/api/v1/me", access, nil).problem())
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, refresh := s.signUp("a@example.com")
	other := s.login("a@example.com", password)
	change := func(current, next string) reply {
		return s.do("POST", "/api/v1/me/password", access, obj{"currentPassword": current, "newPassword": next})
	}
	wrong := change("wrong", "a new password")
	require.Equal(t, "invalid-credentials", wrong.problem())
	require.Equal(t, 422, wrong.status, "the access token is not what is wrong")
	require.Equal(t, "body.currentPassword", wrong.field())
	require.Equal(t, "body.newPassword", change(password, "short").field())
	require.Equal(t, 204, change(password, "a new password").status)
	require.Equal(t, 401, s.refresh(other.str("refreshToken")).status, "other sessions end")
	require.Equal(t, 200, s.refresh(refresh).status, "this one goes on")
	require.Equal(t, 401, s.login("a@example.com", password).status)
	require.Equal(t, 200, s.login("a@example.com", "a new password").status)
	for range 5 {
		change("wrong", "a new password")
	}
	require.Equal(t, 429, change("a new password", "a newer password").status, "guessing is slowed down here too")
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, _ := s.signUp("a@example.com")
	stranger, _ := s.signUp("b@example.com")
	const path = "/api/v1/me/addresses"
	list := s.do("GET", path, access, nil)
	require.Contains(t, list.raw, `"items":[]`)
	require.Contains(t, list.raw, `"nextCursor":null`)
	good := func() obj {
		return obj{"name": " Ada ", "line1": "1 High St", "line2": "", "city": "London", "region": "", "postalCode": "E1", "country": "GB"}
	}
	made := s.do("POST", path, access, good())
	require.Equal(t, 201, made.status, made.raw)
	require.Equal(t, "Ada", made.str("name"))
	id := made.str("id")
	changed := good()
	changed["city"] = "Leeds"
	require.Equal(t, "Leeds", s.do("PUT", path+"/"+id, access, changed).str("city"))
	require.Equal(t, "Leeds", s.do("GET", path, access, nil).items()[0].(obj)["city"])
	require.Equal(t, 404, s.do("PUT", path+"/"+id, stranger, changed).status)
	require.Equal(t, 404, s.do("DELETE", path+"/"+id, stranger, nil).status)
	require.Equal(t, "path.id", s.do("DELETE", path+"/A%20B", access, nil).field())
	for member, value := range map[string]any{"country": "gb", "city": "", "postalCode": strings.Repeat("1", 21), "name": " ", "line1": 5, "line2": "a\nb", "planet": "x"} {
		bad := good()
		bad[member] = value
		r := s.do("POST", path, access, bad)
		require.Equal(t, 422, r.status, r.raw)
		require.Equal(t, "body."+member, r.field(), r.raw)
	}
	for range 49 {
		require.Equal(t, 201, s.do("POST", path, access, good()).status)
	}
	require.Equal(t, "too-many-addresses", s.do("POST", path, access, good()).problem())
	seen := map[string]bool{}
	for next := ""; ; {
		page := s.do("GET", path+"?limit=20&cursor="+next, access, nil)
		require.Equal(t, 200, page.status, page.raw)
		for _, x := range page.items() {
			seen[x.(obj)["id"].(string)] = true
		}
		if next = page.str("nextCursor"); next == "" {
			break
		}
	}
	require.Len(t, seen, 50)
	require.Equal(t, "query.cursor", s.do("GET", path+"?cursor=!!", access, nil).field())
	require.Equal(t, "query.limit", s.do("GET", path+"?limit=0", access, nil).field())
	require.Equal(t, 204, s.do("DELETE", path+"/"+id, access, nil).status)
	require.Equal(t, 404, s.do("DELETE", path+"/"+id, access, nil).status)
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, _ := s.signUp("a@example.com")
	s.clock.pass(time.Second)
	other := s.do("POST", "/api/v1/auth/login", "", obj{"email": "a@example.com", "password": password}, "User-Agent", "Phone\x01")
	stranger, _ := s.signUp("b@example.com")
	list := s.do("GET", "/api/v1/me/sessions", access, nil)
	require.Len(t, list.items(), 2, list.raw)
	phone := list.items()[0].(obj)
	require.Equal(t, "Phone", phone["userAgent"])
	require.Equal(t, false, phone["current"])
	require.Equal(t, true, list.items()[1].(obj)["current"])
	path := fmt.Sprintf("/api/v1/me/sessions/%s", phone["id"])
	require.Equal(t, 404, s.do("DELETE", path, stranger, nil).status)
	require.Equal(t, 204, s.do("DELETE", path, access, nil).status)
	require.Equal(t, 404, s.do("DELETE", path, access, nil).status)
	require.Equal(t, 401, s.refresh(other.str("refreshToken")).status)
	require.Equal(t, 401, s.do("GET", "/api/v1/me", other.str("accessToken"), nil).status)
	require.Equal(t, 200, s.do("GET", "/api/v1/me", access, nil).status)
}
