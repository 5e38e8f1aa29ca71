package service_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// counting writes down which calls a store gets, by the kind of document. What the log does is left out: it is
// written after the answer, or read by the clock.
type counting struct {
	sidecar.State
	mu    sync.Mutex
	calls []string
}

func (c *counting) note(call, key string) {
	kind, _, _ := strings.Cut(key, "/")
	switch kind {
	case "log", "doc", "checkpoint", "cursor":
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call+" "+kind)
}

func (c *counting) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func (c *counting) Get(ctx context.Context, key string) (sidecar.Item, error) {
	c.note("get", key)
	return c.State.Get(ctx, key)
}

func (c *counting) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	c.note("get many", keys[0])
	return c.State.GetMany(ctx, keys)
}

func (c *counting) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	c.note("put", key)
	return c.State.Create(ctx, key, v, o...)
}

func (c *counting) Put(ctx context.Context, key string, v []byte, etag string, o ...sidecar.PutOption) error {
	c.note("put", key)
	return c.State.Put(ctx, key, v, etag, o...)
}

func (c *counting) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	c.note("put many", items[0].Key)
	return c.State.PutManyIf(ctx, items)
}

func (c *counting) Delete(ctx context.Context, key, etag string) error {
	c.note("delete", key)
	return c.State.Delete(ctx, key, etag)
}

// A sign-in that fails costs the same calls of the store and the same hash, whether there is an account, none, one
// that was deleted, or one that has moved elsewhere: its time tells nothing.
func TestFailedSignInsCostTheSame(t *testing.T) {
	t.Parallel()
	state := &counting{State: memory.NewState()}
	s := newReplica(t, state, nil)
	s.register("known@example.com", password)
	access, _ := s.signUp("gone@example.com")
	require.Equal(t, 204, s.do("DELETE", "/api/v1/me", access, nil).status)
	access, _ = s.signUp("moved@example.com")
	s.askMove(access, "elsewhere@example.com", password)
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserEmailChangeAsked).Token).status)
	from := func(email string) (calls []string, hashes int64, answer reply) {
		require.NoError(t, s.service.Settle(t.Context()))
		state.take()
		before := s.service.Hashes()
		answer = s.do("POST", "/api/v1/auth/login", "", obj{"email": email, "password": "wrong"}, "X-Forwarded-For", "203.0.113.7")
		return state.take(), s.service.Hashes() - before, answer
	}
	for try := range 7 { // into the throttling
		calls, hashes, known := from("known@example.com")
		require.NotEmpty(t, calls)
		require.Equal(t, known.status == 401, hashes == 1)
		require.Equal(t, try < 5, known.status == 401)
		for _, email := range []string{"nobody@example.com", "gone@example.com", "moved@example.com"} {
			otherCalls, otherHashes, other := from(email)
			require.Equal(t, calls, otherCalls, email)
			require.Equal(t, hashes, otherHashes, email)
			require.Equal(t, known.raw, other.raw, email)
		}
	}
}

// Until the answer, asking for a new password does nothing at all, whoever is asked for.
func TestForgottenPasswordsCostNothing(t *testing.T) {
	t.Parallel()
	held := &holding{State: memory.NewState(), let: make(chan struct{})}
	s := newReplica(t, held, nil)
	s.register("known@example.com", password)
	require.NoError(t, s.service.Settle(t.Context()))
	held.mu.Lock()
	held.on = true
	held.mu.Unlock()
	for _, email := range []string{"known@example.com", "nobody@example.com"} {
		require.Equal(t, 202, s.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": email}).status, "answered without the store")
	}
	close(held.let)
	require.Len(t, s.mails(contract.UserPasswordResetAsked), 1)
}

// holding is a store that, once on, keeps its readers of claims waiting.
type holding struct {
	sidecar.State
	mu  sync.Mutex
	on  bool
	let chan struct{}
}

func (h *holding) Get(ctx context.Context, key string) (sidecar.Item, error) {
	h.mu.Lock()
	on := h.on
	h.mu.Unlock()
	if on && strings.HasPrefix(key, "email/") {
		<-h.let
	}
	return h.State.Get(ctx, key)
}

// Registering a mailbox that somebody has, and has not proved, looks like registering a new one: in the answer's
// members and headers, and in the mail.
func TestRegisteringAgainLooksLikeNew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first, again := s.register("a@example.com", password), s.register("a@example.com", "another password")
	fresh := s.register("b@example.com", password)
	for _, r := range []reply{again, fresh} {
		require.Equal(t, 201, r.status)
		require.Equal(t, first.header, r.header)
		require.Len(t, r.json, len(first.json))
		for member, value := range first.json {
			switch member {
			case "id", "email":
				require.Len(t, r.json[member], len(value.(string)))
			case "createdAt":
				_, err := time.Parse(time.RFC3339, r.str(member))
				require.NoError(t, err)
			default:
				require.Equal(t, value, r.json[member], member)
			}
		}
	}
	require.Len(t, s.mails(contract.UserVerificationRequested), 3)
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserVerificationRequested).Token).status, "of b, or whichever came last")
}
