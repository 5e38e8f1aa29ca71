package service_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

func TestUserList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	root := s.administrator()
	access, _ := s.signUp("zoe@example.com")
	for i := range 24 {
		s.register(fmt.Sprintf("user%d@example.com", i), password)
	}
	require.Equal(t, 401, s.do("GET", "/api/v1/users", "", nil).status)
	require.Equal(t, "forbidden", s.do("GET", "/api/v1/users", access, nil).problem())
	first := s.do("GET", "/api/v1/users", root, nil)
	require.Len(t, first.items(), 20)
	require.Equal(t, "user23@example.com", first.items()[0].(obj)["email"], "the newest first")
	last := s.do("GET", "/api/v1/users?cursor="+first.str("nextCursor"), root, nil)
	require.Len(t, last.items(), 6, last.raw)
	require.Nil(t, last.json["nextCursor"])
	require.NotContains(t, first.raw+last.raw, "argon2")
	require.Len(t, s.do("GET", "/api/v1/users?q=ZOE", root, nil).items(), 1)
	none := s.do("GET", "/api/v1/users?q=nobody", root, nil)
	require.Contains(t, none.raw, `"items":[]`)
	require.Equal(t, "query.page", s.do("GET", "/api/v1/users?page=2", root, nil).field())
	require.Len(t, newReplica(t, s.state, s).do("GET", "/api/v1/users?limit=100", root, nil).items(), 26)
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	root := s.administrator()
	access, refresh := s.signUp("a@example.com")
	id := s.do("GET", "/api/v1/me", access, nil).str("id")
	put := func(token, id string, roles ...string) reply {
		return s.do("PUT", "/api/v1/users/"+id+"/roles", token, obj{"roles": roles})
	}
	require.Equal(t, 403, put(access, id, "admin").status)
	r := put(root, id, "staff", "customer")
	require.Equal(t, 200, r.status, r.raw)
	require.Equal(t, []any{"customer", "staff"}, r.json["roles"])
	require.NotEmpty(t, r.header.Get("ETag"))
	again := s.refresh(refresh)
	caller, err := s.service.Verifier().Verify(t.Context(), again.str("accessToken"))
	require.NoError(t, err)
	require.True(t, caller.Has(identity.Staff))
	require.Equal(t, id, caller.UserID)
	require.Equal(t, 422, put(root, id).status)
	require.Equal(t, 422, put(root, id, "king").status)
	require.Equal(t, 422, put(root, id, "staff", "staff").status)
	require.Equal(t, 422, s.do("PUT", "/api/v1/users/"+id+"/roles", root, `{"roles":null}`).status)
	require.Equal(t, 404, put(root, "nobody", "staff").status)
	require.Equal(t, "path.id", put(root, "NOBODY", "staff").field())

	me := s.do("GET", "/api/v1/me", root, nil).str("id")
	require.Equal(t, "own-role", put(root, me, "customer").problem())
	require.Equal(t, "own-role", s.do("DELETE", "/api/v1/me", root, nil).problem())
	put(root, id, "admin")
	require.Equal(t, 200, put(access, me, "customer").status, "what counts is the role now, not the token's")
	require.Equal(t, 403, put(root, id, "customer").status)
}

func TestFirstAdministrator(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	config := service.Administrator{Email: "Boss@example.com", Password: "the first password"}
	start := make(chan struct{})
	var done sync.WaitGroup
	for range 10 {
		replica := newReplica(t, s.state, s)
		done.Go(func() {
			<-start
			if err := replica.service.EnsureAdministrator(t.Context(), config); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	done.Wait()
	r := s.login("boss@example.com", "the first password")
	require.Equal(t, []any{"customer", "staff", "admin"}, r.json["user"].(obj)["roles"])
	require.Equal(t, true, r.json["user"].(obj)["emailVerified"])
	require.Equal(t, "email-taken", s.register("boss@example.com", password).problem())
	require.Len(t, s.do("GET", "/api/v1/users", r.str("accessToken"), nil).items(), 1)

	require.Equal(t, 204, s.do("POST", "/api/v1/me/password", r.str("accessToken"), obj{"currentPassword": "the first password", "newPassword": "my own password"}).status)
	config.Password = "a later password"
	require.NoError(t, newReplica(t, s.state, s).service.EnsureAdministrator(t.Context(), config))
	require.Equal(t, 401, s.login("boss@example.com", "a later password").status)
	require.Equal(t, 200, s.login("boss@example.com", "my own password").status)
}

func TestFirstAdministratorOverAStranger(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, refresh := s.signUp("boss@example.com")
	mail := s.lastMail(contract.UserVerificationRequested)
	require.NoError(t, s.service.EnsureAdministrator(t.Context(), service.Administrator{Email: "boss@example.com", Password: "the real password"}))
	require.Equal(t, 401, s.do("GET", "/api/v1/me", access, nil).status)
	require.Equal(t, 401, s.refresh(refresh).status)
	require.Equal(t, 401, s.login("boss@example.com", password).status)
	require.Equal(t, 200, s.login("boss@example.com", "the real password").status)
	s.verify(mail.Token)
	require.Equal(t, 401, s.login("boss@example.com", password).status)
}

func TestAdministratorConfiguration(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	local := service.Administrator{Email: "admin@haberdash.test", Password: "haberdash-admin-1"}
	require.ErrorContains(t, s.service.EnsureAdministrator(t.Context(), local), "LOCAL_DEFAULTS")
	local.LocalDefaults = "on"
	require.NoError(t, s.service.EnsureAdministrator(t.Context(), local))
	require.Equal(t, 200, s.login(local.Email, local.Password).status)
	for _, bad := range []service.Administrator{{Email: "a@example.com"}, {Password: password}, {Email: "x", Password: password}, {Email: "a@example.com", Password: "short"}} {
		require.Error(t, s.service.EnsureAdministrator(t.Context(), bad))
	}
	require.NoError(t, s.service.EnsureAdministrator(t.Context(), service.Administrator{}))
	shown, err := json.Marshal(local)
	require.NoError(t, err)
	require.NotContains(t, string(shown), local.Password)
}

// Another service verifies with nothing but the published keys, and both replicas sign with one of them.
func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	two := newReplica(t, s.state, s)
	access, _ := s.signUp("a@example.com")
	other := two.login("a@example.com", password).str("accessToken")
	r := s.do("GET", "/.well-known/jwks.json", "", nil)
	require.Equal(t, 200, r.status)
	require.Equal(t, r.raw, two.do("GET", "/.well-known/jwks.json", "", nil).raw)
	require.NotContains(t, r.raw, `"d"`)
	var set identity.JWKS
	require.NoError(t, json.Unmarshal([]byte(r.raw), &set))
	require.Len(t, set.Keys, 1)
	require.NotEmpty(t, set.Keys[0].ID)
	s.mesh.Join("users", s.handler)
	verifier := identity.NewVerifier(identity.NewCached(host.FetchKeys(s.mesh), s.clock.now), s.clock.now)
	for _, token := range []string{access, other} {
		caller, err := verifier.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, "a@example.com", caller.Email)
	}
	s.clock.pass(10*time.Minute + 6*time.Second)
	_, err := verifier.Verify(t.Context(), access)
	require.Error(t, err)

	_, err = service.New(t.Context(), service.Deps{State: s.state, Publisher: s.mesh, Now: s.clock.now, Hashing: cheap,
		Secrets: memory.Secrets{"KEY_ENCRYPTION_KEY": "another secret"}})
	require.ErrorContains(t, err, "sealed with another secret")
	_, err = service.New(t.Context(), service.Deps{State: s.state, Publisher: s.mesh, Now: s.clock.now, Hashing: cheap, Secrets: memory.Secrets{}})
	require.ErrorContains(t, err, "KEY_ENCRYPTION_KEY")
}

func TestOperationsAreDescribed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	api := httpx.NewAPI(chi.NewRouter(), "test")
	s.service.Mount(api)
	seen := map[string]bool{}
	for path, item := range api.OpenAPI().Paths {
		for _, op := range []any{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			b, err := json.Marshal(op)
			require.NoError(t, err)
			var o struct {
				OperationID, Summary string
				Tags                 []string
				Security             []map[string][]string
			}
			if string(b) == "null" {
				continue
			}
			require.NoError(t, json.Unmarshal(b, &o))
			require.NotEmpty(t, o.OperationID, path)
			require.NotEmpty(t, o.Summary, path)
			require.NotEmpty(t, o.Tags, path)
			require.False(t, seen[o.OperationID])
			seen[o.OperationID] = true
		}
	}
	require.Len(t, seen, 26)
}
