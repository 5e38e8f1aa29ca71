package service_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// crashing is a store whose process dies after a number of writes.
type crashing struct {
	sidecar.State
	mu     sync.Mutex
	writes int
	once   sync.Once
	dead   chan struct{}
}

func newCrashing(s sidecar.State) *crashing {
	return &crashing{State: s, writes: 100, dead: make(chan struct{})}
}

// wait lasts until the process is dead, or has done all it had to.
func (c *crashing) wait(t *testing.T, s *shop) {
	settled := make(chan error, 1)
	go func() { settled <- s.service.Settle(t.Context()) }()
	select {
	case <-c.dead:
	case err := <-settled:
		require.NoError(t, err)
	}
}

var errCrash = errors.New("crashed")

// step counts a write, but for those that the log makes by itself behind what it has committed.
func (c *crashing) step(key string) error {
	if strings.HasPrefix(key, "doc/") || strings.HasPrefix(key, "checkpoint/") || strings.HasPrefix(key, "cursor/") {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes--; c.writes < 0 {
		c.once.Do(func() { close(c.dead) })
		return errCrash
	}
	return nil
}

func (c *crashing) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	if err := c.step(key); err != nil {
		return err
	}
	return c.State.Create(ctx, key, v, o...)
}

func (c *crashing) Put(ctx context.Context, key string, v []byte, etag string, o ...sidecar.PutOption) error {
	if err := c.step(key); err != nil {
		return err
	}
	return c.State.Put(ctx, key, v, etag, o...)
}

func (c *crashing) Delete(ctx context.Context, key, etag string) error {
	if err := c.step(key); err != nil {
		return err
	}
	return c.State.Delete(ctx, key, etag)
}

// Whatever write is the last before a crash, the next attempt at the same thing succeeds.
func TestCrashBetweenAnyTwoWrites(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		t.Run(fmt.Sprintf("register after %d", n), func(t *testing.T) {
			t.Parallel()
			store := memory.NewState()
			whole := newReplica(t, store, nil)
			dying := newCrashing(store)
			broken := newReplica(t, dying, whole)
			dying.writes = n
			broken.register("a@example.com", password)
			dying.wait(t, broken)
			if r := whole.login("a@example.com", password); r.status == 401 {
				require.Equal(t, 201, whole.register("a@example.com", password).status)
				require.Equal(t, 200, whole.login("a@example.com", password).status)
			}
		})
		t.Run(fmt.Sprintf("verify after %d", n), func(t *testing.T) {
			t.Parallel()
			store := memory.NewState()
			whole := newReplica(t, store, nil)
			dying := newCrashing(store)
			broken := newReplica(t, dying, whole)
			first := whole.register("a@example.com", "the first password")
			whole.mails("") // sent, before the next
			second := whole.register("a@example.com", "the second password")
			token := whole.lastMail(contract.UserVerificationRequested).Token
			dying.writes = n
			if r := broken.verify(token); r.status != 204 {
				require.Equal(t, 503, r.status, r.raw)
				require.Equal(t, 204, whole.verify(token).status)
			}
			r := whole.login("a@example.com", "the second password")
			require.Equal(t, second.str("id"), r.json["user"].(obj)["id"])
			require.Equal(t, true, r.json["user"].(obj)["emailVerified"])
			old, err := store.Get(t.Context(), "user/"+first.str("id"))
			require.NoError(t, err)
			require.Contains(t, string(old.Value), `"deleted":true`)
			require.NotContains(t, string(old.Value), "example.com")
			list := whole.do("GET", "/api/v1/users?q=example.com", whole.administrator(), nil)
			require.Len(t, list.items(), 1, list.raw)
		})
		t.Run(fmt.Sprintf("delete after %d", n), func(t *testing.T) {
			t.Parallel()
			store := memory.NewState()
			whole := newReplica(t, store, nil)
			dying := newCrashing(store)
			broken := newReplica(t, dying, whole)
			access, _ := whole.signUp("a@example.com")
			id := whole.do("GET", "/api/v1/me", access, nil).str("id")
			require.Equal(t, 204, whole.verify(whole.lastMail(contract.UserVerificationRequested).Token).status)
			dying.writes = n
			r := broken.do("DELETE", "/api/v1/me", access, nil)
			if len(whole.mails(contract.UserDeleted)) == 0 { // not on record: the owner has to ask again
				require.Equal(t, 503, r.status)
				require.Less(t, n, 2)
				require.Equal(t, 204, whole.do("DELETE", "/api/v1/me", access, nil).status)
			}
			ctx, stop := context.WithCancel(t.Context()) // what a crash interrupted, another replica ends
			defer stop()
			whole.service.Start(ctx)
			require.Eventually(t, func() bool { return whole.erased(id) }, soon, tick)
			require.Equal(t, 401, whole.login("a@example.com", password).status)
			require.Equal(t, 201, whole.register("a@example.com", "a new password").status, "the mailbox is free again")
			require.Equal(t, 200, whole.login("a@example.com", "a new password").status)
		})
	}
}

// meddling lets somebody else act just before the first write of an account.
type meddling struct {
	sidecar.State
	once sync.Once
	act  func()
}

func (m *meddling) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	if strings.HasPrefix(key, "user/") {
		m.once.Do(m.act)
	}
	return m.State.Create(ctx, key, v, o...)
}

// The first registration has the claim when a second one, which takes it for crashed, creates the account.
func TestRegistrationOvertaken(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	other := newReplica(t, state, nil)
	var second reply
	slow := newReplica(t, &meddling{State: state, act: func() { second = other.register("a@example.com", "the second password") }}, other)
	first := slow.register("a@example.com", "the first password")
	require.Equal(t, 201, first.status, first.raw)
	require.Equal(t, 201, second.status, second.raw)
	require.NotEqual(t, first.str("id"), second.str("id"))
	require.Equal(t, second.str("id"), other.login("a@example.com", "the second password").json["user"].(obj)["id"])
	require.Equal(t, 401, other.login("a@example.com", "the first password").status)
	require.NoError(t, slow.service.Settle(t.Context()))
	for _, mail := range other.mails(contract.UserVerificationRequested) {
		if mail.UserID == first.str("id") {
			require.Equal(t, 204, other.verify(mail.Token).status)
		}
	}
	require.Equal(t, first.str("id"), other.login("a@example.com", "the first password").json["user"].(obj)["id"])
}
