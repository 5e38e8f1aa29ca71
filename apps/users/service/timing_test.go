package service

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// recordingState records the calls of a store by the kind of document. It leaves out the calls of the log, which are
// made after the answer or at regular times.
type recordingState struct {
	sidecar.State
	mu    sync.Mutex
	calls []string
}

func (c *recordingState) record(call, key string) {
	kind, _, _ := strings.Cut(key, "/")
	switch kind {
	case "log", "doc", "checkpoint", "cursor":
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call+" "+kind)
}

// reset returns the recorded calls and forgets them.
func (c *recordingState) reset() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = nil
	return calls
}

func (c *recordingState) Get(ctx context.Context, key string) (sidecar.Item, error) {
	c.record("get", key)
	return c.State.Get(ctx, key)
}

func (c *recordingState) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	c.record("get many", keys[0])
	return c.State.GetMany(ctx, keys)
}

func (c *recordingState) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	c.record("put", key)
	return c.State.Create(ctx, key, v, o...)
}

func (c *recordingState) Put(ctx context.Context, key string, v []byte, etag string, o ...sidecar.PutOption) error {
	c.record("put", key)
	return c.State.Put(ctx, key, v, etag, o...)
}

func (c *recordingState) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	c.record("put many", items[0].Key)
	return c.State.PutManyIf(ctx, items)
}

func (c *recordingState) Delete(ctx context.Context, key, etag string) error {
	c.record("delete", key)
	return c.State.Delete(ctx, key, etag)
}

// A failed sign-in makes the same calls of the store and hashes one password, whether there is an account, there is
// none, it was deleted, or it has changed to another mailbox. So its time shows none of this.
func TestFailedSignInsCostTheSame(t *testing.T) {
	t.Parallel()
	state := &recordingState{State: memory.NewState()}
	f := newReplica(t, state, nil)
	f.register("known@example.com", password)
	access, _ := f.signUp("deleted@example.com")
	require.Equal(t, 204, f.deleteMe(access).status)
	access, _ = f.signUp("changed@example.com")
	f.requestEmailChange(access, "elsewhere@example.com", password)
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserEmailChangeAsked).Token).status)
	fail := func(email string) (calls []string, hashes int64, answer reply) {
		f.finishTasks()
		state.reset()
		before := f.service.hasher.Done()
		answer = f.loginFrom("203.0.113.7", email, "wrong")
		return state.reset(), f.service.hasher.Done() - before, answer
	}
	for attempt := range 7 { // the last ones are throttled
		calls, hashes, known := fail("known@example.com")
		require.NotEmpty(t, calls)
		require.Equal(t, known.status == 401, hashes == 1)
		require.Equal(t, attempt < 5, known.status == 401)
		for _, email := range []string{"nobody@example.com", "deleted@example.com", "changed@example.com"} {
			otherCalls, otherHashes, other := fail(email)
			require.Equal(t, calls, otherCalls, email)
			require.Equal(t, hashes, otherHashes, email)
			require.Equal(t, known.raw, other.raw, email)
		}
	}
}

func TestForgotPasswordAnswersBeforeItReadsTheStore(t *testing.T) {
	t.Parallel()
	state := &blockingState{State: memory.NewState(), proceed: make(chan struct{})}
	f := newReplica(t, state, nil)
	f.register("known@example.com", password)
	f.finishTasks()
	state.blocked.Store(true)
	for _, email := range []string{"known@example.com", "nobody@example.com"} {
		require.Equal(t, 202, f.forgotPassword(email).status)
	}
	close(state.proceed)
	require.Len(t, f.mails(contract.UserPasswordResetAsked), 1)
}

// blockingState blocks reads of claims while it is blocked, until proceed is closed.
type blockingState struct {
	sidecar.State
	blocked atomic.Bool
	proceed chan struct{}
}

func (b *blockingState) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if b.blocked.Load() && strings.HasPrefix(key, "email/") {
		<-b.proceed
	}
	return b.State.Get(ctx, key)
}

// The registration of a mailbox that an unproven account has looks like that of a new mailbox: in the members and
// headers of the answer, and in the mail.
func TestASecondRegistrationLooksLikeAFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, again := f.register("a@example.com", password), f.register("a@example.com", "another password")
	other := f.register("b@example.com", password)
	for _, r := range []reply{again, other} {
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
	require.Len(t, f.mails(contract.UserVerificationRequested), 3)
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
}
