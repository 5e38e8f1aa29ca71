package service_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

func (s *shop) refresh(token string) reply {
	s.t.Helper()
	return s.do("POST", "/api/v1/auth/refresh", "", obj{"refreshToken": token})
}

func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("a@example.com", password)
	wrong, unknown := s.login("a@example.com", "not the password"), s.login("b@example.com", "not the password")
	require.Equal(t, 401, wrong.status)
	require.Equal(t, "invalid-credentials", wrong.problem())
	require.Equal(t, wrong.raw, unknown.raw)
	require.Equal(t, "body.email", s.login("nobody", password).field())
	require.Equal(t, 422, s.do("POST", "/api/v1/auth/login", "", obj{"email": "a@example.com", "password": password, "x": 1}).status)
	composed, decomposed := "pässwörter", "pa\u0308sswo\u0308rter"
	s.register("c@example.com", composed)
	require.Equal(t, 200, s.login("c@example.com", decomposed).status, "one password, typed on another keyboard")
}

func TestLoginsSlowDown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("a@example.com", password)
	for _, email := range []string{"unknown@example.com", "a@example.com"} {
		for range 5 {
			require.Equal(t, 401, s.login(email, "wrong").status)
		}
		wait := 0
		for range 12 {
			r := s.login(email, "wrong")
			require.Equal(t, 429, r.status)
			require.Equal(t, "too-many-attempts", r.problem())
			next, err := strconv.Atoi(r.header.Get("Retry-After"))
			require.NoError(t, err)
			require.GreaterOrEqual(t, next, wait)
			require.LessOrEqual(t, next, 300)
			wait = next
			s.clock.pass(time.Duration(wait) * time.Second)
			require.Equal(t, 401, s.login(email, "wrong").status)
		}
		require.Equal(t, 300, wait)
	}
	require.Equal(t, 429, s.login("a@example.com", password).status, "the right password has to wait too")
	s.clock.pass(5 * time.Minute)
	require.Equal(t, 200, s.login("a@example.com", password).status)
	require.Equal(t, 401, s.login("a@example.com", "wrong").status, "a success clears the record")
	require.Equal(t, 200, s.login("a@example.com", password).status)
}

func TestLoginsSlowDownByAddress(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("a@example.com", password)
	from := func(address, email, pass string) reply {
		return s.do("POST", "/api/v1/auth/login", "", obj{"email": email, "password": pass}, "X-Forwarded-For", address)
	}
	for i := range 30 {
		require.Equal(t, 401, from(fmt.Sprintf("2001:db8::%d, 10.0.0.1", i), fmt.Sprintf("u%d@example.com", i), "wrong").status)
	}
	require.Equal(t, 429, from("2001:db8::ffff", "a@example.com", password).status, "one network is one client")
	require.Equal(t, 200, from("203.0.113.9", "a@example.com", password).status)
	require.Equal(t, 200, from("not an address", "a@example.com", password).status)
	for i := range 40 {
		require.Equal(t, 401, from("127.0.0.1", fmt.Sprintf("v%d@example.com", i), "wrong").status)
	}
}

// Parallel guesses at one account are counted one by one.
func TestParallelGuesses(t *testing.T) {
	t.Parallel()
	slow := cheap
	slow.Memory, slow.Iterations = 8<<10, 3 // time enough for the others to arrive meanwhile
	s := newReplicaHashing(t, memory.NewState(), nil, slow)
	start := make(chan struct{})
	statuses := make([]int, 40)
	var done sync.WaitGroup
	for i := range statuses {
		done.Go(func() { <-start; statuses[i] = s.login("a@example.com", "wrong").status })
	}
	close(start)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 5, 429: 35}, count)
}

// So are parallel guesses from one address, whichever account they are at; another address does not wait for it.
func TestParallelGuessesFromOneAddress(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("a@example.com", password)
	start := make(chan struct{})
	statuses := make([]int, 60)
	var done sync.WaitGroup
	for i := range statuses {
		done.Go(func() {
			<-start
			statuses[i] = s.do("POST", "/api/v1/auth/login", "", obj{"email": fmt.Sprintf("u%d@example.com", i), "password": "wrong"}, "X-Forwarded-For", "203.0.113.7").status
		})
	}
	close(start)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 30, 429: 30}, count)
	from := func(address string) reply {
		return s.do("POST", "/api/v1/auth/login", "", obj{"email": "a@example.com", "password": password}, "X-Forwarded-For", address)
	}
	require.Equal(t, 200, from("203.0.113.8").status)
	wait := 0
	for range 10 { // the wait grows
		r := from("203.0.113.7")
		require.Equal(t, 429, r.status)
		next, err := strconv.Atoi(r.header.Get("Retry-After"))
		require.NoError(t, err)
		require.True(t, next > wait || next == 300, next)
		wait = next
		s.clock.pass(time.Duration(wait) * time.Second)
		s.do("POST", "/api/v1/auth/login", "", obj{"email": "nobody@example.com", "password": "wrong"}, "X-Forwarded-For", "203.0.113.7")
	}
	require.Equal(t, 300, wait)
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, first := s.signUp("a@example.com")
	r := s.refresh(first)
	require.Equal(t, 200, r.status, r.raw)
	second := r.str("refreshToken")
	require.NotEqual(t, first, second)
	require.Equal(t, "no-store", r.header.Get("Cache-Control"))
	require.Equal(t, 200, s.do("GET", "/api/v1/me", r.str("accessToken"), nil).status)
	require.Equal(t, 200, s.do("GET", "/api/v1/me", access, nil).status)

	require.Equal(t, "invalid-token", s.refresh(first[:len(first)-80]).problem())
	for _, bad := range []string{"x", "a.b.c.d", "....", first + ".x", "a b"} {
		r := s.refresh(bad)
		require.Equal(t, 401, r.status, bad)
		require.Equal(t, "invalid-token", r.problem())
	}
	require.Equal(t, 422, s.refresh("").status)

	reused := s.refresh(first)
	require.Equal(t, 401, reused.status)
	require.Equal(t, "token-reused", reused.problem())
	require.Equal(t, 401, s.refresh(second).status, "the family is over")
	require.Equal(t, "token-reused", s.refresh(first).problem())
	require.Equal(t, 401, s.do("GET", "/api/v1/me", r.str("accessToken"), nil).status)
	require.Equal(t, 200, s.login("a@example.com", password).status)
}

func TestRefreshEndsInTime(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	_, token := s.signUp("a@example.com")
	for range 3 {
		s.clock.pass(29 * 24 * time.Hour)
		r := s.refresh(token)
		require.Equal(t, 200, r.status, r.raw)
		token = r.str("refreshToken")
	}
	s.clock.pass(3 * 24 * time.Hour)
	require.Equal(t, "invalid-token", s.refresh(token).problem(), "90 days are the longest")
	token = s.login("a@example.com", password).str("refreshToken")
	s.clock.pass(30 * 24 * time.Hour)
	require.Equal(t, "invalid-token", s.refresh(token).problem())
}

// Twenty requests present one refresh token at once, on two replicas: exactly one is served.
func TestRefreshContention(t *testing.T) {
	t.Parallel()
	one := newShop(t)
	two := newReplica(t, one.state, one)
	_, token := one.signUp("a@example.com")
	start := make(chan struct{})
	replies := make([]reply, 20)
	var done sync.WaitGroup
	for i := range replies {
		done.Go(func() { <-start; replies[i] = []*shop{one, two}[i%2].refresh(token) })
	}
	close(start)
	done.Wait()
	served := 0
	for _, r := range replies {
		if r.status == 200 {
			served++
			require.Equal(t, 401, one.refresh(r.str("refreshToken")).status)
		} else {
			require.Equal(t, "token-reused", r.problem(), r.raw)
		}
	}
	require.Equal(t, 1, served)
}

func TestLogout(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, refresh := s.signUp("a@example.com")
	other := s.login("a@example.com", password)
	logout := func(access string, body any) reply { return s.do("POST", "/api/v1/auth/logout", access, body) }
	require.Equal(t, 401, logout("", nil).status)
	require.Equal(t, 204, logout("", obj{"refreshToken": refresh}).status)
	require.Equal(t, 204, logout("", obj{"refreshToken": refresh}).status)
	require.Equal(t, 204, logout("", obj{"refreshToken": "nonsense"}).status)
	require.Equal(t, 401, s.refresh(refresh).status)
	require.Equal(t, 401, s.do("GET", "/api/v1/me", access, nil).status)
	require.Equal(t, 204, logout(other.str("accessToken"), nil).status)
	require.Equal(t, 401, s.refresh(other.str("refreshToken")).status)
}

func TestForgottenPassword(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, refresh := s.signUp("a@example.com")
	address := obj{"name": "A", "line1": "1", "city": "C", "postalCode": "1", "country": "DE"}
	require.Equal(t, 201, s.do("POST", "/api/v1/me/addresses", access, address).status)
	forgot := func(email string) reply {
		return s.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": email})
	}
	reset := func(token, pass string) reply {
		return s.do("POST", "/api/v1/auth/reset-password", "", obj{"token": token, "password": pass})
	}
	known, unknown := forgot("A@example.com"), forgot("nobody@example.com")
	require.Equal(t, 202, known.status)
	require.Equal(t, known.raw, unknown.raw)
	require.Equal(t, known.status, unknown.status)
	mails := s.mails(contract.UserPasswordResetAsked)
	require.Len(t, mails, 1)
	forgot("a@example.com")
	later := s.lastMail(contract.UserPasswordResetAsked)
	for range 10 {
		s.login("a@example.com", "wrong")
	}

	require.Equal(t, "body.password", reset(mails[0].Token, "short").field())
	require.Equal(t, "invalid-token", s.verify(mails[0].Token).problem(), "it serves one purpose")
	require.Equal(t, 204, reset(mails[0].Token, "a new password").status)
	require.Equal(t, "invalid-token", reset(mails[0].Token, "a newer password").problem())
	require.Equal(t, "invalid-token", reset(later.Token, "a newer password").problem(), "a new password voids what was mailed before")
	require.Equal(t, 401, s.refresh(refresh).status)
	require.Equal(t, 401, s.do("GET", "/api/v1/me", access, nil).status)
	require.Equal(t, 401, s.login("a@example.com", password).status)
	r := s.login("a@example.com", "a new password")
	require.Equal(t, 200, r.status, "whoever reads the mail need not wait for a guesser")
	require.Equal(t, true, r.json["user"].(obj)["emailVerified"])
	require.Equal(t, "email-taken", s.register("a@example.com", password).problem())
	require.Empty(t, s.do("GET", "/api/v1/me/addresses", r.str("accessToken"), nil).items(), "saved before the mailbox was proven")

	for age, status := range map[time.Duration]int{time.Hour - time.Second: 204, time.Hour: 422} {
		forgot("a@example.com")
		last := s.lastMail(contract.UserPasswordResetAsked)
		s.clock.pass(age)
		require.Equal(t, status, reset(last.Token, "a newer password").status, age)
	}
}
