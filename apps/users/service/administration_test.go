package service

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service/administration"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar/memory"
)

func TestUsersAreListedWithTheNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.administrator()
	access, _ := f.signUp("zoe@example.com")
	for i := range 24 {
		f.register(fmt.Sprintf("user%d@example.com", i), password)
	}
	require.Equal(t, 401, f.do("GET", "/api/v1/users", "", nil).status)
	require.Equal(t, "forbidden", f.do("GET", "/api/v1/users", access, nil).problem())
	first := f.do("GET", "/api/v1/users", root, nil)
	require.Len(t, first.items(), 20)
	require.Equal(t, "user23@example.com", first.items()[0].(obj)["email"], "the newest first")
	last := f.do("GET", "/api/v1/users?cursor="+first.str("nextCursor"), root, nil)
	require.Len(t, last.items(), 6, last.raw)
	require.Nil(t, last.json["nextCursor"])
	require.NotContains(t, first.raw+last.raw, "argon2")
	require.Len(t, f.do("GET", "/api/v1/users?q=ZOE", root, nil).items(), 1)
	none := f.do("GET", "/api/v1/users?q=nobody", root, nil)
	require.Contains(t, none.raw, `"items":[]`)
	require.Equal(t, "query.page", f.do("GET", "/api/v1/users?page=2", root, nil).field())
	require.Len(t, newReplica(t, f.state, f).do("GET", "/api/v1/users?limit=100", root, nil).items(), 26)
}

func TestAdministratorsSetRoles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.administrator()
	access, refresh := f.signUp("a@example.com")
	id := f.me(access).str("id")
	put := func(token, id string, roles ...string) reply {
		return f.do("PUT", "/api/v1/users/"+id+"/roles", token, obj{"roles": roles})
	}
	require.Equal(t, 403, put(access, id, "admin").status)
	r := put(root, id, "staff", "customer")
	require.Equal(t, 200, r.status, r.raw)
	require.Equal(t, []any{"customer", "staff"}, r.json["roles"])
	require.NotEmpty(t, r.header.Get("ETag"))
	again := f.refresh(refresh)
	caller, err := f.verifier().Verify(t.Context(), again.str("accessToken"))
	require.NoError(t, err)
	require.True(t, caller.Has(identity.Staff))
	require.Equal(t, id, caller.UserID)
	require.Equal(t, 422, put(root, id).status)
	require.Equal(t, 422, put(root, id, "king").status)
	require.Equal(t, 422, put(root, id, "staff", "staff").status)
	require.Equal(t, 422, f.do("PUT", "/api/v1/users/"+id+"/roles", root, `{"roles":null}`).status)
	require.Equal(t, 404, put(root, "nobody", "staff").status)
	require.Equal(t, "path.id", put(root, "NOBODY", "staff").field())

	me := f.me(root).str("id")
	require.Equal(t, "own-role", put(root, me, "customer").problem())
	require.Equal(t, "own-role", f.deleteMe(root).problem())
	put(root, id, "admin")
	require.Equal(t, 200, put(access, me, "customer").status, "the current role counts, not that of the token")
	require.Equal(t, 403, put(root, id, "customer").status)
}

func TestTheFirstAdministratorIsMadeOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config := administration.Administrator{Email: "Boss@example.com", Password: "the first password"}
	start := make(chan struct{})
	var done sync.WaitGroup
	for range 10 {
		replica := newReplica(t, f.state, f)
		done.Go(func() {
			<-start
			if err := replica.service.administration.EnsureAdministrator(t.Context(), config); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	done.Wait()
	r := f.login("boss@example.com", "the first password")
	require.Equal(t, []any{"customer", "staff", "admin"}, r.user()["roles"])
	require.Equal(t, true, r.user()["emailVerified"])
	require.Equal(t, "email-taken", f.register("boss@example.com", password).problem())
	require.Len(t, f.do("GET", "/api/v1/users", r.str("accessToken"), nil).items(), 1)

	require.Equal(t, 204, f.changePassword(r.str("accessToken"), "the first password", "my own password").status)
	config.Password = "a later password"
	require.NoError(t, newReplica(t, f.state, f).service.administration.EnsureAdministrator(t.Context(), config))
	require.Equal(t, 401, f.login("boss@example.com", "a later password").status)
	require.Equal(t, 200, f.login("boss@example.com", "my own password").status)
}

func TestTheFirstAdministratorReplacesAnUnprovenAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("boss@example.com")
	mail := f.lastMail(contract.UserVerificationRequested)
	config := administration.Administrator{Email: "boss@example.com", Password: "the real password"}
	require.NoError(t, f.service.administration.EnsureAdministrator(t.Context(), config))
	require.Equal(t, 401, f.me(access).status)
	require.Equal(t, 401, f.refresh(refresh).status)
	require.Equal(t, 401, f.login("boss@example.com", password).status)
	require.Equal(t, 200, f.login("boss@example.com", "the real password").status)
	f.verify(mail.Token)
	require.Equal(t, 401, f.login("boss@example.com", password).status)
}

func TestAdministratorConfiguration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	configured := func(a administration.Administrator) Config {
		return Config{Administrator: a, Config: secondfactor.Config{Shop: "https://shop.test"}}
	}
	local := administration.Administrator{Email: "admin@haberdash.test", Password: "haberdash-admin-1"}
	require.ErrorContains(t, configured(local).Check(), "LOCAL_DEFAULTS")
	local.LocalDefaults = true
	require.NoError(t, configured(local).Check())
	require.NoError(t, f.service.administration.EnsureAdministrator(t.Context(), local))
	require.Equal(t, 200, f.login(local.Email, local.Password).status)
	for _, invalid := range []administration.Administrator{{Email: "a@example.com"}, {Password: password},
		{Email: "x", Password: password}, {Email: "a@example.com", Password: "short"}} {
		require.Error(t, configured(invalid).Check())
	}
	require.NoError(t, configured(administration.Administrator{}).Check())
	require.ErrorContains(t, Config{}.Check(), "SHOP_URL")
	require.NoError(t, f.service.administration.EnsureAdministrator(t.Context(), administration.Administrator{}))
	field, _ := reflect.TypeFor[Config]().FieldByName("Password")
	require.Equal(t, "true", field.Tag.Get("secret"), "the host does not log it")
}

// Other services verify the tokens of both replicas with the published keys.
func TestOtherServicesVerifyTokensWithThePublishedKeys(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	two := newReplica(t, f.state, f)
	access, _ := f.signUp("a@example.com")
	other := two.login("a@example.com", password).str("accessToken")
	r := f.do("GET", "/.well-known/jwks.json", "", nil)
	require.Equal(t, 200, r.status)
	require.Equal(t, r.raw, two.do("GET", "/.well-known/jwks.json", "", nil).raw)
	require.NotContains(t, r.raw, `"d"`)
	var set identity.JWKS
	require.NoError(t, json.Unmarshal([]byte(r.raw), &set))
	require.Len(t, set.Keys, 1)
	require.NotEmpty(t, set.Keys[0].ID)
	f.mesh.Join("users", f.handler)
	verifier := identity.NewVerifier(identity.NewCached(host.FetchKeys(f.mesh), f.clock.now), f.clock.now)
	for _, token := range []string{access, other} {
		caller, err := verifier.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, "a@example.com", caller.Email)
	}
	f.clock.pass(10*time.Minute + 6*time.Second)
	_, err := verifier.Verify(t.Context(), access)
	require.Error(t, err)

	_, err = New(t.Context(), f.deps("another secret"))
	require.ErrorContains(t, err, "sealed with another secret")
	require.ErrorContains(t, err, "set KEY_ENCRYPTION_KEY", "the error says what to do")
	deps := f.deps("")
	deps.Secrets = memory.Secrets{}
	_, err = New(t.Context(), deps)
	require.ErrorContains(t, err, "KEY_ENCRYPTION_KEY")
}

func TestEachOperationIsDescribed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	api := httpx.NewAPI(chi.NewRouter(), "test")
	f.service.Mount(api)
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
	require.Len(t, seen, 34)
}
