package service

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/administration"
	"haberdash/apps/users/service/keyring"
	"haberdash/apps/users/service/registration"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/httpx/httpxtest"
	"haberdash/internal/identity"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// clock is a clock that tests move forward.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// fastHashing makes tests fast. Its hashes have the form of the real ones.
var fastHashing = argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// firstAdministrator is the configuration of the first administrator.
var firstAdministrator = administration.Administrator{Email: "root@haberdash.test", Password: "not the default"}

// fixture is a replica of the users service with test doubles of the sidecar. Tests call its HTTP handler.
type fixture struct {
	t       *testing.T
	clock   *clock
	state   sidecar.State
	mesh    *memory.Mesh
	log     *commitlog.Partition[trail.State]
	service *Service
	handler http.Handler
	other   *fixture // the other replica, of newFixture
}

// newFixture makes two replicas on one store, which get the requests in turn. A replica looks at the log only when a
// request makes it, so it is as far behind the other as it can be.
func newFixture(t *testing.T) *fixture {
	first := openReplica(t, memory.NewState(), nil, time.Hour, func(*Deps) {})
	first.other = openReplica(t, first.state, first, time.Hour, func(*Deps) {})
	first.handler = httpxtest.Alternate(first.handler, first.other.handler)
	return first
}

// newReplica makes a replica over a store. It has the clock and the mesh of the replica other, if that is not nil.
func newReplica(t *testing.T, state sidecar.State, other *fixture) *fixture {
	t.Helper()
	return newReplicaWith(t, state, other, func(*Deps) {})
}

// newVerifiedReplica makes a replica of a shop with REGISTRATION=verified.
func newVerifiedReplica(t *testing.T, state sidecar.State, other *fixture) *fixture {
	t.Helper()
	return newReplicaWith(t, state, other, func(d *Deps) { d.Registration = registration.Verified })
}

// newReplicaWith makes a replica with other settings.
func newReplicaWith(t *testing.T, state sidecar.State, other *fixture, change func(*Deps)) *fixture {
	t.Helper()
	return openReplica(t, state, other, 0, change)
}

// openReplica makes a replica that looks for commits of others every syncEvery, or as often as usual if that is 0.
func openReplica(t *testing.T, state sidecar.State, other *fixture, syncEvery time.Duration,
	change func(*Deps),
) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: &clock{t: time.Now()}, state: state, mesh: memory.NewMesh()}
	if other != nil {
		f.clock, f.mesh = other.clock, other.mesh
	}
	var err error
	f.log, err = commitlog.Open(t.Context(), state, "users", "users", trail.Model(), commitlog.Options{
		Now: f.clock.now, SyncEvery: syncEvery, Patience: 100 * time.Millisecond}) // some tests break the store for good
	require.NoError(t, err)
	deps := f.deps("only a test")
	change(&deps)
	f.service, err = New(t.Context(), deps)
	require.NoError(t, err)
	f.mount()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond) // for a broken store
		defer cancel()
		_ = f.service.tasks.Wait(ctx)
		_ = f.log.Close(ctx)
	})
	return f
}

func (f *fixture) deps(secret string) Deps {
	return Deps{State: f.state, Secrets: memory.Secrets{"KEY_ENCRYPTION_KEY": secret}, Log: f.log, Now: f.clock.now,
		NewID: NewID, Hashing: fastHashing, Factors: secondfactor.Config{Shop: "https://shop.test"},
		Registration: registration.Open}
}

// mount adds the routes of the service, and those that the host adds.
func (f *fixture) mount() {
	router := chi.NewRouter()
	router.NotFound(httpx.NotFound)
	router.MethodNotAllowed(httpx.MethodNotAllowed)
	api := httpx.NewAPI(router.With(httpx.Authenticate(f.verifier()), httpx.Conditional), "Haberdash users")
	logapi.MountFeed(api, f.log)
	exportLog := func(ctx context.Context, put func(sidecar.Item) error) error {
		return f.log.Export(ctx, contract.TopicUsers, put)
	}
	transfer.MountExport(api, "users", keyring.Export(f.state), exportLog, f.service.directory.Export,
		f.service.administration.ExportMark(firstAdministrator))
	f.service.Mount(api)
	f.handler = router
}

func (f *fixture) verifier() *identity.Verifier {
	return identity.NewVerifier(f.service.keys, f.clock.now)
}

// runBackgroundWork publishes events and processes deletions until the test ends.
func (f *fixture) runBackgroundWork() {
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.log.Publish(ctx, f.mesh, contract.TopicUsers) })
	running.Go(func() { _ = f.service.mailboxes.ProcessDeletions(ctx) })
	f.t.Cleanup(func() { cancel(); running.Wait() })
}

// finishTasks waits until the tasks in the background have ended.
func (f *fixture) finishTasks() {
	f.t.Helper()
	require.NoError(f.t, f.service.tasks.Wait(f.t.Context()))
	if f.other != nil {
		f.other.finishTasks()
	}
}

// reply is an answer with its JSON object.
type reply struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

func (r reply) str(name string) string { v, _ := r.json[name].(string); return v }

func (r reply) problem() string {
	typ := r.str("type")
	return typ[strings.LastIndex(typ, "/")+1:]
}

func (r reply) items() []any { v, _ := r.json["items"].([]any); return v }

func (r reply) user() obj { v, _ := r.json["user"].(obj); return v }

// field returns the location of the first wrong input.
func (r reply) field() string {
	errs, _ := r.json["errors"].([]any)
	if len(errs) == 0 {
		return ""
	}
	return errs[0].(map[string]any)["location"].(string)
}

// do sends a request. A body that is a string is sent as it is, and any other is encoded. headers are names and values.
func (f *fixture) do(method, path, token string, body any, headers ...string) reply {
	f.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		b, _ = json.Marshal(v)
	}
	req := httptest.NewRequestWithContext(f.t.Context(), method, path, bytes.NewReader(b))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, req)
	r := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &r.json)
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		f.t.Errorf("%s %s answered %d: %s", method, path, w.Code, r.raw)
	}
	return r
}

type obj = map[string]any

const password = "correct horse"

func (f *fixture) register(email, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/register", "", obj{"email": email, "password": pass, "name": "Ada"})
}

func (f *fixture) login(email, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/login", "", obj{"email": email, "password": pass})
}

func (f *fixture) loginFrom(address, email, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/login", "", obj{"email": email, "password": pass}, "X-Forwarded-For", address)
}

func (f *fixture) refresh(token string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/refresh", "", obj{"refreshToken": token})
}

// signUp registers a user and signs in.
func (f *fixture) signUp(email string) (access, refresh string) {
	f.t.Helper()
	require.Equal(f.t, 201, f.register(email, password).status)
	r := f.login(email, password)
	require.Equal(f.t, 200, r.status, r.raw)
	return r.str("accessToken"), r.str("refreshToken")
}

func (f *fixture) me(access string) reply {
	f.t.Helper()
	return f.do("GET", "/api/v1/me", access, nil)
}

func (f *fixture) deleteMe(access string) reply {
	f.t.Helper()
	return f.do("DELETE", "/api/v1/me", access, obj{"password": password})
}

func (f *fixture) changePassword(access, current, next string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/me/password", access, obj{"currentPassword": current, "newPassword": next})
}

func (f *fixture) forgotPassword(email string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": email})
}

func (f *fixture) resetPassword(token, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/reset-password", "", obj{"token": token, "password": pass})
}

// verify uses the token of a mail.
func (f *fixture) verify(token string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/verify-email", "", obj{"token": token})
}

// mail is a requested mail, with the recipient and the token if it is still needed.
type mail struct {
	contract.UserFact
	contract.UserLetter
}

// mails finishes the tasks in the background and returns the mails that were requested with events of a type.
func (f *fixture) mails(eventType string) []mail {
	f.t.Helper()
	f.finishTasks()
	var page contract.FeedPage
	require.NoError(f.t, json.Unmarshal([]byte(f.do("GET", "/feed/users?max=1000", "", nil).raw), &page))
	var mails []mail
	for _, e := range page.Events {
		if e.Type != eventType {
			continue
		}
		var m mail
		require.NoError(f.t, json.Unmarshal(e.Data, &m.UserFact))
		require.Equal(f.t, "user/"+m.UserID, e.Aggregate)
		if r := f.do("GET", "/internal/mails/"+m.MailID, "", nil); r.status == 200 {
			require.NoError(f.t, json.Unmarshal([]byte(r.raw), &m.UserLetter))
		} else {
			require.Equal(f.t, "not-found", r.problem(), r.raw)
		}
		mails = append(mails, m)
	}
	return mails
}

func (f *fixture) lastMail(eventType string) mail {
	f.t.Helper()
	mails := f.mails(eventType)
	require.NotEmpty(f.t, mails)
	return mails[len(mails)-1]
}

// administrator makes the first administrator, signs in and returns the access token.
func (f *fixture) administrator() string {
	f.t.Helper()
	require.NoError(f.t, f.service.administration.EnsureAdministrator(f.t.Context(), firstAdministrator))
	r := f.login(firstAdministrator.Email, firstAdministrator.Password)
	require.Equal(f.t, 200, r.status, r.raw)
	return r.str("accessToken")
}
