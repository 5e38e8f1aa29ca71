package service_test

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

	"haberdash/apps/users/service"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// clock is a time that tests move.
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

// cheap hashing keeps the tests fast; its form is the real one.
var cheap = argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// shop is the users service over doubles, reached through its HTTP handler.
type shop struct {
	t       *testing.T
	clock   *clock
	state   sidecar.State
	mesh    *memory.Mesh
	service *service.Service
	handler http.Handler
}

func newShop(t *testing.T) *shop { return newReplica(t, memory.NewState(), nil) }

// newReplica makes a service over a given store; of shares clock and mesh if not nil.
func newReplica(t *testing.T, state sidecar.State, of *shop) *shop {
	t.Helper()
	return newReplicaHashing(t, state, of, cheap)
}

func newReplicaHashing(t *testing.T, state sidecar.State, of *shop, hashing argon2id.Params) *shop {
	t.Helper()
	s := &shop{t: t, clock: &clock{t: time.Now()}, state: state, mesh: memory.NewMesh()}
	if of != nil {
		s.clock, s.mesh = of.clock, of.mesh
	}
	var err error
	s.service, err = service.New(t.Context(), service.Deps{
		State: state, Publisher: s.mesh, Secrets: memory.Secrets{"KEY_ENCRYPTION_KEY": "only a test"}, Now: s.clock.now, Hashing: hashing,
		Log: commitlog.Options{Patience: 100 * time.Millisecond}, // with a store whose process is dead
	})
	require.NoError(t, err)
	router := chi.NewRouter()
	router.NotFound(httpx.NotFound)
	router.MethodNotAllowed(httpx.MethodNotAllowed)
	routes := router.With(httpx.Authenticate(s.service.Verifier()), httpx.Conditional)
	s.service.MountExport(httpx.NewAPI(router, "Haberdash users"))
	s.service.Mount(httpx.NewAPI(routes, "Haberdash users"))
	s.handler = router
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond) // one whose store is gone never settles
		defer cancel()
		_ = s.service.Close(ctx)
	})
	return s
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

// field reports whether the problem blames the location.
func (r reply) field() string {
	errs, _ := r.json["errors"].([]any)
	if len(errs) == 0 {
		return ""
	}
	return errs[0].(map[string]any)["location"].(string)
}

// do sends a request; body is nil, a string sent as it is, or something to encode. headers are pairs.
func (s *shop) do(method, path, token string, body any, headers ...string) reply {
	s.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		b, _ = json.Marshal(v)
	}
	req := httptest.NewRequestWithContext(s.t.Context(), method, path, bytes.NewReader(b))
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
	s.handler.ServeHTTP(w, req)
	r := reply{status: w.Code, header: w.Header(), raw: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &r.json)
	if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
		s.t.Errorf("%s %s answered %d: %s", method, path, w.Code, r.raw)
	}
	return r
}

type obj = map[string]any

const password = "correct horse"

func (s *shop) register(email, pass string) reply {
	s.t.Helper()
	r := s.do("POST", "/api/v1/auth/register", "", obj{"email": email, "password": pass, "name": "Ada"})
	return r
}

func (s *shop) login(email, pass string) reply {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/login", "", obj{"email": email, "password": pass})
}

// signUp registers and signs in.
func (s *shop) signUp(email string) (access, refresh string) {
	s.t.Helper()
	require.Equal(s.t, 201, s.register(email, password).status)
	r := s.login(email, password)
	require.Equal(s.t, 200, r.status, r.raw)
	return r.str("accessToken"), r.str("refreshToken")
}

// mail is a mail that was asked for, with what it needs now: nothing if it is void.
type mail struct {
	contract.UserFact
	contract.UserLetter
}

// mails waits for work in the background and gives the mails of a type asked for so far, as the events of the
// feed and the mesh's own operation have them.
func (s *shop) mails(typ string) []mail {
	s.t.Helper()
	require.NoError(s.t, s.service.Settle(s.t.Context()))
	var page contract.FeedPage
	require.NoError(s.t, json.Unmarshal([]byte(s.do("GET", "/feed/users?max=1000", "", nil).raw), &page))
	var mails []mail
	for _, e := range page.Events {
		if e.Type != typ {
			continue
		}
		var m mail
		require.NoError(s.t, json.Unmarshal(e.Data, &m.UserFact))
		require.Equal(s.t, "user/"+m.UserID, e.Aggregate)
		if r := s.do("GET", "/internal/mails/"+m.MailID, "", nil); r.status == 200 {
			require.NoError(s.t, json.Unmarshal([]byte(r.raw), &m.UserLetter))
		} else {
			require.Equal(s.t, "not-found", r.problem(), r.raw)
		}
		mails = append(mails, m)
	}
	return mails
}

func (s *shop) lastMail(typ string) mail {
	s.t.Helper()
	mails := s.mails(typ)
	require.NotEmpty(s.t, mails)
	return mails[len(mails)-1]
}

func (s *shop) verify(token string) reply {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/verify-email", "", obj{"token": token})
}

// administrator gives the access token of one.
func (s *shop) administrator() string {
	s.t.Helper()
	require.NoError(s.t, s.service.EnsureAdministrator(s.t.Context(), service.Administrator{Email: "root@haberdash.test", Password: "not the default"}))
	r := s.login("root@haberdash.test", "not the default")
	require.Equal(s.t, 200, r.status, r.raw)
	return r.str("accessToken")
}
