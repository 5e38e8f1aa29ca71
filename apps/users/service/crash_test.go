package service

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

// crashingState fails all writes after a number of them, like a store whose client has crashed.
type crashingState struct {
	sidecar.State
	mu     sync.Mutex
	writes int
	once   sync.Once
	crash  chan struct{} // closed at the first write that fails
}

func newCrashingState(state sidecar.State) *crashingState {
	return &crashingState{State: state, writes: 100, crash: make(chan struct{})}
}

// crashAfter lets a number of writes succeed.
func (c *crashingState) crashAfter(writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = writes
}

// wait waits until a write has failed or all background tasks have ended.
func (c *crashingState) wait(t *testing.T, f *fixture) {
	ended := make(chan error, 1)
	go func() { ended <- f.service.tasks.Wait(t.Context()) }()
	select {
	case <-c.crash:
	case err := <-ended:
		require.NoError(t, err)
	}
}

var errCrash = sidecar.StoreUnavailable(errors.New("crashed"))

// step counts a write. It does not count those that the log makes in the background.
func (c *crashingState) step(key string) error {
	if strings.HasPrefix(key, "doc/") || strings.HasPrefix(key, "checkpoint/") || strings.HasPrefix(key, "cursor/") {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes--; c.writes < 0 {
		c.once.Do(func() { close(c.crash) })
		return errCrash
	}
	return nil
}

func (c *crashingState) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	if err := c.step(key); err != nil {
		return err
	}
	return c.State.Create(ctx, key, v, o...)
}

func (c *crashingState) Put(ctx context.Context, key string, v []byte, etag string, o ...sidecar.PutOption) error {
	if err := c.step(key); err != nil {
		return err
	}
	return c.State.Put(ctx, key, v, etag, o...)
}

func (c *crashingState) Delete(ctx context.Context, key, etag string) error {
	if err := c.step(key); err != nil {
		return err
	}
	return c.State.Delete(ctx, key, etag)
}

// After a crash between any two writes, the same request succeeds when it is repeated.
func TestARequestSucceedsAfterACrashBetweenAnyTwoWrites(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		t.Run(fmt.Sprintf("register after %d", n), func(t *testing.T) {
			t.Parallel()
			state := memory.NewState()
			healthy := newReplica(t, state, nil)
			crashing := newCrashingState(state)
			broken := newReplica(t, crashing, healthy)
			crashing.crashAfter(n)
			broken.register("a@example.com", password)
			crashing.wait(t, broken)
			if r := healthy.login("a@example.com", password); r.status == 401 {
				require.Equal(t, 201, healthy.register("a@example.com", password).status)
				require.Equal(t, 200, healthy.login("a@example.com", password).status)
			}
		})
		t.Run(fmt.Sprintf("verify after %d", n), func(t *testing.T) {
			t.Parallel()
			state := memory.NewState()
			healthy := newReplica(t, state, nil)
			crashing := newCrashingState(state)
			broken := newReplica(t, crashing, healthy)
			first := healthy.register("a@example.com", "the first password")
			healthy.finishTasks() // the mail of the first comes first
			second := healthy.register("a@example.com", "the second password")
			token := healthy.lastMail(contract.UserVerificationRequested).Token
			crashing.crashAfter(n)
			if r := broken.verify(token); r.status != 204 {
				require.Equal(t, 503, r.status, r.raw)
				require.Equal(t, 204, healthy.verify(token).status)
			}
			r := healthy.login("a@example.com", "the second password")
			require.Equal(t, second.str("id"), r.user()["id"])
			require.Equal(t, true, r.user()["emailVerified"])
			old, err := state.Get(t.Context(), "user/"+first.str("id"))
			require.NoError(t, err)
			require.Contains(t, string(old.Value), `"deleted":true`)
			require.NotContains(t, string(old.Value), "example.com")
			list := healthy.do("GET", "/api/v1/users?q=example.com", healthy.administrator(), nil)
			require.Len(t, list.items(), 1, list.raw)
		})
		t.Run(fmt.Sprintf("delete after %d", n), func(t *testing.T) {
			t.Parallel()
			state := memory.NewState()
			healthy := newReplica(t, state, nil)
			crashing := newCrashingState(state)
			broken := newReplica(t, crashing, healthy)
			access, _ := healthy.signUp("a@example.com")
			id := healthy.me(access).str("id")
			require.Equal(t, 204, healthy.verify(healthy.lastMail(contract.UserVerificationRequested).Token).status)
			crashing.crashAfter(n)
			r := broken.deleteMe(access)
			if len(healthy.mails(contract.UserDeleted)) == 0 { // not recorded: the owner must repeat the request
				require.Equal(t, 503, r.status)
				require.Less(t, n, 2)
				require.Equal(t, 204, healthy.deleteMe(access).status)
			}
			healthy.runBackgroundWork() // another replica completes the deletion
			require.Eventually(t, func() bool { return healthy.erased(id) }, soon, tick)
			require.Equal(t, 401, healthy.login("a@example.com", password).status)
			require.Equal(t, 201, healthy.register("a@example.com", "a new password").status, "the mailbox is free")
			require.Equal(t, 200, healthy.login("a@example.com", "a new password").status)
		})
	}
}

// interposingState calls act right before the first account is created.
type interposingState struct {
	sidecar.State
	once sync.Once
	act  func()
}

func (i *interposingState) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	if strings.HasPrefix(key, "user/") {
		i.once.Do(i.act)
	}
	return i.State.Create(ctx, key, v, o...)
}

// A second registration finds the claim of the first one without its account, as after a crash, and creates the
// account.
func TestASlowRegistrationBecomesACandidate(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	other := newReplica(t, state, nil)
	var second reply
	interpose := func() { second = other.register("a@example.com", "the second password") }
	slow := newReplica(t, &interposingState{State: state, act: interpose}, other)
	first := slow.register("a@example.com", "the first password")
	require.Equal(t, 201, first.status, first.raw)
	require.Equal(t, 201, second.status, second.raw)
	require.NotEqual(t, first.str("id"), second.str("id"))
	require.Equal(t, second.str("id"), other.login("a@example.com", "the second password").user()["id"])
	require.Equal(t, 401, other.login("a@example.com", "the first password").status)
	slow.finishTasks()
	for _, mail := range other.mails(contract.UserVerificationRequested) {
		if mail.UserID == first.str("id") {
			require.Equal(t, 204, other.verify(mail.Token).status)
		}
	}
	require.Equal(t, first.str("id"), other.login("a@example.com", "the first password").user()["id"])
}
