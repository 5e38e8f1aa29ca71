package service

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/internal/session"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	wrong, unknown := f.login("a@example.com", "not the password"), f.login("b@example.com", "not the password")
	require.Equal(t, 401, wrong.status)
	require.Equal(t, "invalid-credentials", wrong.problem())
	require.Equal(t, wrong.raw, unknown.raw)
	require.Equal(t, "body.email", f.login("nobody", password).field())
	unknownMember := obj{"email": "a@example.com", "password": password, "x": 1}
	require.Equal(t, 422, f.do("POST", "/api/v1/auth/login", "", unknownMember).status)
	composed, decomposed := "pässwörter", "pa\u0308sswo\u0308rter"
	f.register("c@example.com", composed)
	require.Equal(t, 200, f.login("c@example.com", decomposed).status, "the same password, typed on another keyboard")
}

func TestSignInsOfOneAccountAreThrottled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	for _, email := range []string{"unknown@example.com", "a@example.com"} {
		for range 5 {
			require.Equal(t, 401, f.login(email, "wrong").status)
		}
		wait := 0
		for range 12 {
			r := f.login(email, "wrong")
			require.Equal(t, 429, r.status)
			require.Equal(t, "too-many-attempts", r.problem())
			next, err := strconv.Atoi(r.header.Get("Retry-After"))
			require.NoError(t, err)
			require.GreaterOrEqual(t, next, wait)
			require.LessOrEqual(t, next, 300)
			wait = next
			f.clock.pass(time.Duration(wait) * time.Second)
			require.Equal(t, 401, f.login(email, "wrong").status)
		}
		require.Equal(t, 300, wait)
	}
	require.Equal(t, 429, f.login("a@example.com", password).status, "the correct password must wait too")
	f.clock.pass(5 * time.Minute)
	require.Equal(t, 200, f.login("a@example.com", password).status)
	require.Equal(t, 401, f.login("a@example.com", "wrong").status, "a sign-in resets the counter")
	require.Equal(t, 200, f.login("a@example.com", password).status)
}

func TestSignInsFromOneAddressAreThrottled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	for i := range 30 {
		r := f.loginFrom(fmt.Sprintf("2001:db8::%d, 10.0.0.1", i), fmt.Sprintf("u%d@example.com", i), "wrong")
		require.Equal(t, 401, r.status)
	}
	require.Equal(t, 429, f.loginFrom("2001:db8::ffff", "a@example.com", password).status, "an IPv6 /64 is one client")
	require.Equal(t, 200, f.loginFrom("203.0.113.9", "a@example.com", password).status)
	require.Equal(t, 200, f.loginFrom("not an address", "a@example.com", password).status)
	for i := range 40 {
		require.Equal(t, 401, f.loginFrom("127.0.0.1", fmt.Sprintf("v%d@example.com", i), "wrong").status)
	}
}

// Parallel guesses at one account are counted one by one.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	slow := fastHashing
	slow.Memory, slow.Iterations = 8<<10, 3 // slow enough for all requests to arrive during the first
	f := newReplicaWith(t, memory.NewState(), nil, func(d *Deps) { d.Hashing = slow })
	start := make(chan struct{})
	statuses := make([]int, 40)
	var done sync.WaitGroup
	for i := range statuses {
		done.Go(func() { <-start; statuses[i] = f.login("a@example.com", "wrong").status })
	}
	close(start)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 5, 429: 35}, count)
}

// Parallel guesses from one address are counted one by one, and do not delay another address.
func TestParallelGuessesFromOneAddress(t *testing.T) {
	t.Parallel()
	f := newReplica(t, memory.NewState(), nil) // two replicas may each have one guess more in progress
	f.register("a@example.com", password)
	start := make(chan struct{})
	statuses := make([]int, 60)
	var done sync.WaitGroup
	for i := range statuses {
		done.Go(func() {
			<-start
			statuses[i] = f.loginFrom("203.0.113.7", fmt.Sprintf("u%d@example.com", i), "wrong").status
		})
	}
	close(start)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 30, 429: 30}, count)
	require.Equal(t, 200, f.loginFrom("203.0.113.8", "a@example.com", password).status)
	wait := 0
	for range 10 { // each wait is longer, up to 300 s
		r := f.loginFrom("203.0.113.7", "a@example.com", password)
		require.Equal(t, 429, r.status)
		next, err := strconv.Atoi(r.header.Get("Retry-After"))
		require.NoError(t, err)
		require.True(t, next > wait || next == 300, next)
		wait = next
		f.clock.pass(time.Duration(wait) * time.Second)
		f.loginFrom("203.0.113.7", "nobody@example.com", "wrong")
	}
	require.Equal(t, 300, wait)
}

func TestEachRefreshTokenIsValidOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, first := f.signUp("a@example.com")
	r := f.refresh(first)
	require.Equal(t, 200, r.status, r.raw)
	second := r.str("refreshToken")
	require.NotEqual(t, first, second)
	require.Equal(t, "no-store", r.header.Get("Cache-Control"))
	require.Equal(t, 200, f.me(r.str("accessToken")).status)
	require.Equal(t, 200, f.me(access).status)

	require.Equal(t, "invalid-token", f.refresh(first[:len(first)-80]).problem())
	for _, bad := range []string{"x", "a.b.c.d", "....", first + ".x", "a b"} {
		r := f.refresh(bad)
		require.Equal(t, 401, r.status, bad)
		require.Equal(t, "invalid-token", r.problem())
	}
	require.Equal(t, 422, f.refresh("").status)

	f.clock.pass(session.Grace)
	reused := f.refresh(first)
	require.Equal(t, 401, reused.status)
	require.Equal(t, "token-reused", reused.problem())
	require.Equal(t, 401, f.refresh(second).status, "the session has ended")
	require.Equal(t, "token-reused", f.refresh(first).problem())
	require.Equal(t, 401, f.me(r.str("accessToken")).status)
	require.Equal(t, 200, f.login("a@example.com", password).status)
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, token := f.signUp("a@example.com")
	for range 3 {
		f.clock.pass(29 * 24 * time.Hour)
		r := f.refresh(token)
		require.Equal(t, 200, r.status, r.raw)
		token = r.str("refreshToken")
	}
	f.clock.pass(3 * 24 * time.Hour)
	require.Equal(t, "invalid-token", f.refresh(token).problem(), "90 days after the sign-in")
	token = f.login("a@example.com", password).str("refreshToken")
	f.clock.pass(30 * 24 * time.Hour)
	require.Equal(t, "invalid-token", f.refresh(token).problem())
}

// Twenty requests with one refresh token at once, on two replicas, get the same tokens: as two tabs of a browser do.
func TestConcurrentRefreshesOfOneToken(t *testing.T) {
	t.Parallel()
	one := newFixture(t)
	two := newReplica(t, one.state, one)
	_, token := one.signUp("a@example.com")
	start := make(chan struct{})
	replies := make([]reply, 20)
	var done sync.WaitGroup
	for i := range replies {
		done.Go(func() { <-start; replies[i] = []*fixture{one, two}[i%2].refresh(token) })
	}
	close(start)
	done.Wait()
	for _, r := range replies {
		require.Equal(t, 200, r.status, r.raw)
		require.Equal(t, replies[0].raw, r.raw)
	}
	require.Equal(t, 200, two.refresh(replies[0].str("refreshToken")).status)
}

// A client that has lost the answer gets it again within ten seconds, from another replica too and after a crash. The
// store has neither the token nor its successor.
func TestALostRefreshAnswerIsRepeated(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	f := newReplica(t, state, nil)
	_, first := f.signUp("a@example.com")
	lost := f.refresh(first)
	require.Equal(t, 200, lost.status, lost.raw)
	f.clock.pass(session.Grace - time.Second)
	restarted := newReplica(t, state, f)
	again := restarted.refresh(first)
	require.Equal(t, lost.raw, again.raw)
	require.Equal(t, 200, restarted.me(again.str("accessToken")).status)
	expiresIn := time.Duration(lost.json["expiresIn"].(float64)) * time.Second
	f.clock.pass(expiresIn - 6*time.Second) // the token may expire in the second in which it was issued
	caller, err := f.verifier().Verify(t.Context(), again.str("accessToken"))
	require.NoError(t, err, "expiresIn is true of the repeated answer too")
	require.True(t, caller.Known())
	secret := func(token string) string { return token[strings.LastIndex(token, ".")+1:] }
	for _, value := range state.All() {
		require.NotContains(t, value, secret(first))
		require.NotContains(t, value, secret(lost.str("refreshToken")))
	}
	require.Equal(t, "token-reused", restarted.refresh(first).problem(), "ten seconds count from the first use")
	require.Equal(t, 401, f.refresh(lost.str("refreshToken")).status)
}

// A token whose successor was used ends the session at once: the answer has not been lost.
func TestAnOldRefreshTokenEndsTheSessionAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, first := f.signUp("a@example.com")
	second := f.refresh(first)
	third := f.refresh(second.str("refreshToken"))
	require.Equal(t, 200, third.status, third.raw)
	require.Equal(t, third.raw, f.refresh(second.str("refreshToken")).raw)
	require.Equal(t, "token-reused", f.refresh(first).problem())
	require.Equal(t, 401, f.refresh(third.str("refreshToken")).status)
	require.Equal(t, 401, f.me(third.str("accessToken")).status)
}

// A refresh costs two reads and a write, a repeated one no write.
func TestWhatARefreshCosts(t *testing.T) {
	t.Parallel()
	state := &recordingState{State: memory.NewState()}
	f := newReplica(t, state, nil)
	_, token := f.signUp("a@example.com")
	f.finishTasks()
	state.reset()
	require.Equal(t, 200, f.refresh(token).status)
	require.Equal(t, []string{"get user", "get sessions", "put sessions"}, state.reset())
	require.Equal(t, 200, f.refresh(token).status)
	require.Equal(t, []string{"get user", "get sessions"}, state.reset())
}

func TestLogoutEndsSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("a@example.com")
	other := f.login("a@example.com", password)
	logout := func(access string, body any) reply { return f.do("POST", "/api/v1/auth/logout", access, body) }
	require.Equal(t, 401, logout("", nil).status)
	require.Equal(t, 204, logout("", obj{"refreshToken": refresh}).status)
	require.Equal(t, 204, logout("", obj{"refreshToken": refresh}).status)
	require.Equal(t, 204, logout("", obj{"refreshToken": "nonsense"}).status)
	require.Equal(t, 401, f.refresh(refresh).status)
	require.Equal(t, 401, f.me(access).status)
	require.Equal(t, 204, logout(other.str("accessToken"), nil).status)
	require.Equal(t, 401, f.refresh(other.str("refreshToken")).status)
}

func TestForgottenPasswordsAreReset(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("a@example.com")
	address := obj{"name": "A", "line1": "1", "city": "C", "postalCode": "1", "country": "DE"}
	require.Equal(t, 201, f.do("POST", "/api/v1/me/addresses", access, address).status)
	known, unknown := f.forgotPassword("A@example.com"), f.forgotPassword("nobody@example.com")
	require.Equal(t, 202, known.status)
	require.Equal(t, known.raw, unknown.raw)
	require.Equal(t, known.status, unknown.status)
	mails := f.mails(contract.UserPasswordResetAsked)
	require.Len(t, mails, 1)
	f.forgotPassword("a@example.com")
	later := f.lastMail(contract.UserPasswordResetAsked)
	for range 10 {
		f.login("a@example.com", "wrong")
	}

	require.Equal(t, "body.password", f.resetPassword(mails[0].Token, "short").field())
	require.Equal(t, "invalid-token", f.verify(mails[0].Token).problem(), "it does not prove a mailbox")
	require.Equal(t, 204, f.resetPassword(mails[0].Token, "a new password").status)
	require.Equal(t, "invalid-token", f.resetPassword(mails[0].Token, "a newer password").problem())
	require.Equal(t, "invalid-token", f.resetPassword(later.Token, "a newer password").problem(),
		"a new password makes earlier mails void")
	require.Equal(t, 401, f.refresh(refresh).status)
	require.Equal(t, 401, f.me(access).status)
	require.Equal(t, 401, f.login("a@example.com", password).status)
	r := f.login("a@example.com", "a new password")
	require.Equal(t, 200, r.status, "the owner need not wait because of the guesses")
	require.Equal(t, true, r.user()["emailVerified"])
	require.Equal(t, "email-taken", f.register("a@example.com", password).problem())
	addresses := f.do("GET", "/api/v1/me/addresses", r.str("accessToken"), nil)
	require.Empty(t, addresses.items(), "they were saved before the mailbox was proven")

	for age, status := range map[time.Duration]int{time.Hour - time.Second: 204, time.Hour: 422} {
		f.forgotPassword("a@example.com")
		last := f.lastMail(contract.UserPasswordResetAsked)
		f.clock.pass(age)
		require.Equal(t, status, f.resetPassword(last.Token, "a newer password").status, age)
	}
}
