package service

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// openByMail registers in a shop with REGISTRATION=verified and opens the account with the token from the mail.
func (f *fixture) openByMail(email, pass string) {
	f.t.Helper()
	require.Equal(f.t, 202, f.register(email, pass).status)
	require.Equal(f.t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
}

// A registration gets the same answer after the same work, whether the mailbox is new, has a registration that is not
// verified, or has an account. The mails differ.
func TestVerifiedRegistrationsTellNothing(t *testing.T) {
	t.Parallel()
	state := &recordingState{State: memory.NewState()}
	f := newVerifiedReplica(t, state, nil)
	f.openByMail("known@example.com", password)
	f.register("pending@example.com", password)
	f.finishTasks()
	measure := func(email string) (reply, []string, int64) {
		state.reset()
		before := f.service.hasher.Done()
		r := f.register(email, "another password")
		f.finishTasks()
		return r, state.reset(), f.service.hasher.Done() - before
	}
	fresh, calls, hashes := measure("new@example.com")
	require.Equal(t, 202, fresh.status)
	require.Empty(t, fresh.raw)
	require.EqualValues(t, 1, hashes)
	require.NotEmpty(t, calls)
	for _, email := range []string{"known@example.com", "KNOWN@example.com", "pending@example.com"} {
		r, otherCalls, otherHashes := measure(email)
		require.Equal(t, fresh.status, r.status, email)
		require.Equal(t, fresh.raw, r.raw, email)
		require.Equal(t, fresh.header, r.header, email)
		require.Equal(t, calls, otherCalls, email)
		require.Equal(t, hashes, otherHashes, email)
	}
	notices := f.mails(contract.UserRegistrationRepeated)
	require.Len(t, notices, 2)
	require.Equal(t, "known@example.com", notices[0].Email)
	require.Equal(t, "invalid-token", f.verify(notices[0].Token).problem(), "the mail to the owner opens nothing")
	require.Equal(t, 200, f.login("known@example.com", password).status)
	require.Equal(t, 401, f.login("known@example.com", "another password").status)
}

// The answer does not wait for the store, whose time could tell whether there is an account.
func TestVerifiedRegistrationsAnswerBeforeTheyReadTheStore(t *testing.T) {
	t.Parallel()
	state := &blockingState{State: memory.NewState(), proceed: make(chan struct{})}
	f := newVerifiedReplica(t, state, nil)
	f.openByMail("known@example.com", password)
	state.blocked.Store(true)
	for _, email := range []string{"known@example.com", "nobody@example.com"} {
		require.Equal(t, 202, f.register(email, password).status)
	}
	close(state.proceed)
	require.Len(t, f.mails(contract.UserRegistrationRepeated), 1)
}

func TestAVerifiedAccountIsOpenedByItsMail(t *testing.T) {
	t.Parallel()
	f := newVerifiedReplica(t, memory.NewState(), nil)
	require.Equal(t, 202, f.register("a@example.com", password).status)
	mail := f.lastMail(contract.UserVerificationRequested)
	require.False(t, mail.RegisteredAt.IsZero())
	unknown := f.login("nobody@example.com", password)
	require.Equal(t, unknown.raw, f.login("a@example.com", password).raw, "there is no account yet")
	f.forgotPassword("a@example.com")
	require.Empty(t, f.mails(contract.UserPasswordResetAsked))
	require.Equal(t, "invalid-token", f.resetPassword(mail.Token, "a new password").problem())

	require.Equal(t, 204, f.verify(mail.Token).status)
	in := f.login("a@example.com", password)
	require.Equal(t, 200, in.status, in.raw)
	require.Equal(t, true, in.user()["emailVerified"])
	require.Equal(t, mail.UserID, in.user()["id"])
	require.Equal(t, "invalid-token", f.verify(mail.Token).problem(), "a token is valid once")
	root := f.administrator()
	require.Len(t, f.do("GET", "/api/v1/users?q=a@example.com", root, nil).items(), 1)

	f.register("b@example.com", password)
	late := f.lastMail(contract.UserVerificationRequested)
	f.clock.pass(48 * time.Hour)
	require.Equal(t, "invalid-token", f.verify(late.Token).problem())
	require.Equal(t, 401, f.login("b@example.com", password).status)
	f.openByMail("b@example.com", "another password")
	require.Equal(t, 200, f.login("b@example.com", "another password").status)
}

// Each mail opens the account of its own registration only, in whatever order they are used.
func TestAStrangersRegistrationIsNotOpenedByTheOwnersMail(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"stranger", "owner"} {
		f := newVerifiedReplica(t, memory.NewState(), nil)
		second := map[string]string{"stranger": "owner", "owner": "stranger"}[first]
		token, at := map[string]string{}, map[string]time.Time{}
		for _, who := range []string{first, second} {
			require.Equal(t, 202, f.register("a@example.com", "password of "+who).status)
			mail := f.lastMail(contract.UserVerificationRequested)
			token[who], at[who] = mail.Token, mail.RegisteredAt
			f.clock.pass(time.Minute)
		}
		require.NotEqual(t, at["stranger"], at["owner"], "the mails can be told apart")
		require.Equal(t, 204, f.verify(token["owner"]).status)
		require.Equal(t, 200, f.login("a@example.com", "password of owner").status)
		require.Equal(t, 401, f.login("a@example.com", "password of stranger").status)
		require.Equal(t, "invalid-token", f.verify(token["stranger"]).problem(), "the first one that is used wins")
		require.Equal(t, 200, f.login("a@example.com", "password of owner").status)
	}
}

// Of ten tokens that are used at once, each twice and on two replicas, one opens an account.
func TestConcurrentVerificationsOpenOneAccount(t *testing.T) {
	t.Parallel()
	one := newVerifiedReplica(t, memory.NewState(), nil)
	two := newVerifiedReplica(t, one.state, one)
	tokens := map[string]string{}
	for i := range 5 {
		pass := fmt.Sprintf("the password %d", i)
		require.Equal(t, 202, one.register("a@example.com", pass).status)
		tokens[pass] = one.lastMail(contract.UserVerificationRequested).Token
	}
	start := make(chan struct{})
	var done sync.WaitGroup
	var mu sync.Mutex
	opened := map[string]bool{}
	for pass, token := range tokens {
		for _, replica := range []*fixture{one, two} {
			done.Go(func() {
				<-start
				if r := replica.verify(token); r.status == 204 {
					mu.Lock()
					defer mu.Unlock()
					opened[pass] = true
				} else if r.status != 503 {
					require.Equal(t, "invalid-token", r.problem(), r.raw)
				}
			})
		}
	}
	close(start)
	done.Wait()
	require.Len(t, opened, 1)
	for pass := range tokens {
		one.clock.pass(time.Hour)
		require.Equal(t, opened[pass], one.login("a@example.com", pass).status == 200, pass)
	}
	require.Len(t, one.do("GET", "/api/v1/users?q=a@example.com", one.administrator(), nil).items(), 1)
}

// After a crash between any two writes the token opens the account.
func TestAVerificationSucceedsAfterACrashBetweenAnyTwoWrites(t *testing.T) {
	t.Parallel()
	for n := range 8 {
		state := memory.NewState()
		healthy := newVerifiedReplica(t, state, nil)
		crashing := newCrashingState(state)
		broken := newVerifiedReplica(t, crashing, healthy)
		require.Equal(t, 202, healthy.register("a@example.com", password).status)
		token := healthy.lastMail(contract.UserVerificationRequested).Token
		crashing.crashAfter(n)
		if r := broken.verify(token); r.status != 204 {
			require.Equal(t, 503, r.status, r.raw)
			require.Equal(t, 204, healthy.verify(token).status)
		}
		require.Equal(t, true, healthy.login("a@example.com", password).user()["emailVerified"])
		require.Len(t, healthy.do("GET", "/api/v1/users?q=a@example.com", healthy.administrator(), nil).items(), 1)
	}
}

// A registration that nobody verifies leaves nothing but documents that expire.
func TestPendingRegistrationsExpire(t *testing.T) {
	t.Parallel()
	state := &expiryState{State: memory.NewState(), forever: map[string]bool{}}
	f := newVerifiedReplica(t, state, nil)
	f.finishTasks()
	state.reset()
	require.Equal(t, 202, f.register("zoe@example.com", password).status)
	mail := f.lastMail(contract.UserVerificationRequested)
	require.Equal(t, "zoe@example.com", mail.Email)
	for key, value := range state.reset() {
		require.False(t, value, key)
	}
}

// expiryState records the documents that are written, and whether they stay for ever. It leaves out those of the log,
// which has no personal data.
type expiryState struct {
	sidecar.State
	mu      sync.Mutex
	forever map[string]bool
}

func (e *expiryState) record(key string, o []sidecar.PutOption) {
	if strings.HasPrefix(key, "log/") || strings.HasPrefix(key, "doc/") || strings.HasPrefix(key, "checkpoint/") ||
		strings.HasPrefix(key, "cursor/") {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	ttl := sidecar.Options(o).TTL
	e.forever[key] = ttl == 0 || ttl > 48*time.Hour
}

func (e *expiryState) reset() map[string]bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	forever := e.forever
	e.forever = map[string]bool{}
	return forever
}

func (e *expiryState) Create(ctx context.Context, key string, v []byte, o ...sidecar.PutOption) error {
	e.record(key, o)
	return e.State.Create(ctx, key, v, o...)
}

func (e *expiryState) Put(ctx context.Context, key string, v []byte, etag string, o ...sidecar.PutOption) error {
	e.record(key, o)
	return e.State.Put(ctx, key, v, etag, o...)
}

func TestAccountsOfAnOpenShopStayWhenItVerifies(t *testing.T) {
	t.Parallel()
	open := newFixture(t)
	require.Equal(t, 201, open.register("a@example.com", password).status)
	open.finishTasks()
	verified := newVerifiedReplica(t, open.state, open)
	require.Equal(t, 200, verified.login("a@example.com", password).status)
	verified.openByMail("a@example.com", "another password")
	require.Equal(t, 200, verified.login("a@example.com", "another password").status)
	require.Equal(t, 401, verified.login("a@example.com", password).status, "it was not proven")
}
