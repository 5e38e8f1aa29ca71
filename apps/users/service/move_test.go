package service_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

func (s *shop) askMove(access, to, pass string) reply {
	s.t.Helper()
	return s.do("POST", "/api/v1/me/email", access, obj{"email": to, "currentPassword": pass})
}

func TestChangeOfMailbox(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, refresh := s.signUp("old@example.com")
	s.verify(s.lastMail(contract.UserVerificationRequested).Token)
	s.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": "old@example.com"})
	reset := s.lastMail(contract.UserPasswordResetAsked)
	id := s.do("GET", "/api/v1/me", access, nil).str("id")

	require.Equal(t, 401, s.askMove("", "new@example.com", password).status)
	require.Equal(t, "invalid-credentials", s.askMove(access, "new@example.com", "wrong").problem())
	require.Equal(t, "body.currentPassword", s.askMove(access, "new@example.com", "wrong").field())
	for _, bad := range []string{"OLD@example.com", "nobody", "A <a@example.com>"} {
		require.Equal(t, "body.email", s.askMove(access, bad, password).field(), bad)
	}
	require.Equal(t, "body.newPassword", s.do("POST", "/api/v1/me/email", access, obj{"email": "new@example.com", "currentPassword": password, "newPassword": "x"}).field())
	require.Equal(t, 202, s.askMove(access, "New@Example.com", password).status)
	mail := s.lastMail(contract.UserEmailChangeAsked)
	require.Equal(t, contract.UserLetter{Email: "new@example.com", Name: "Ada", Token: mail.Token}, mail.UserLetter)
	require.Equal(t, 401, s.login("new@example.com", password).status, "asking changes nothing")
	require.Equal(t, "old@example.com", s.do("GET", "/api/v1/me", access, nil).str("email"))

	require.Equal(t, 204, s.verify(mail.Token).status)
	require.Equal(t, "invalid-token", s.verify(mail.Token).problem(), "it serves once")
	me := s.do("GET", "/api/v1/me", access, nil)
	require.Equal(t, "new@example.com", me.str("email"))
	require.Equal(t, true, me.json["emailVerified"])
	require.Equal(t, 200, s.refresh(refresh).status, "sessions go on")
	require.Equal(t, 401, s.login("old@example.com", password).status)
	require.Equal(t, id, s.login("new@example.com", password).json["user"].(obj)["id"])
	require.Equal(t, "invalid-token", s.do("POST", "/api/v1/auth/reset-password", "", obj{"token": reset.Token, "password": "a new password"}).problem(),
		"who reads the former mailbox has nothing to say any more")
	notice := s.lastMail(contract.UserEmailChanged)
	require.Equal(t, "old@example.com", notice.Email)
	require.Equal(t, "invalid-token", s.verify(notice.Token).problem(), "the notice's token serves for nothing")
	require.Equal(t, "email-taken", s.register("new@example.com", password).problem())
	require.Equal(t, 201, s.register("old@example.com", "another password").status, "the former mailbox is free")
	require.NotEqual(t, id, s.login("old@example.com", "another password").json["user"].(obj)["id"])
}

func TestMoveToAMailboxThatIsTaken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("zoe@example.com", "the password of zoe")
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserVerificationRequested).Token).status)
	access, _ := s.signUp("a@example.com")
	taken, free := s.askMove(access, "zoe@example.com", password), s.askMove(access, "free@example.com", password)
	require.Equal(t, 202, taken.status)
	require.Equal(t, free.raw, taken.raw, "the answer tells nothing")
	mails := s.mails(contract.UserEmailChangeAsked)
	require.Len(t, mails, 1)
	require.Equal(t, "free@example.com", mails[0].Email)

	s.register("free@example.com", "the password of free") // and answers the mail before
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserVerificationRequested).Token).status)
	require.Equal(t, "email-taken", s.verify(mails[0].Token).problem())
	require.Equal(t, 200, s.login("a@example.com", password).status)
	require.Equal(t, 200, s.login("free@example.com", "the password of free").status)
}

// Who registered a mailbox without having proved it does not keep its owner out.
func TestMoveToAMailboxThatAStrangerRegistered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stranger := s.register("mine@example.com", "the password of a stranger")
	theirs := s.lastMail(contract.UserVerificationRequested)
	access, _ := s.signUp("a@example.com")
	s.askMove(access, "mine@example.com", password)
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserEmailChangeAsked).Token).status)
	require.Equal(t, 200, s.login("mine@example.com", password).status)
	require.Equal(t, 401, s.login("mine@example.com", "the password of a stranger").status)
	require.True(t, s.erased(stranger.str("id")))
	require.Equal(t, "invalid-token", s.verify(theirs.Token).problem())
	require.Equal(t, 200, s.login("mine@example.com", password).status)
}

func TestMoveTokensEnd(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	access, _ := s.signUp("a@example.com")
	s.askMove(access, "b@example.com", password)
	mail := s.lastMail(contract.UserEmailChangeAsked)
	require.Equal(t, 204, s.do("POST", "/api/v1/me/password", access, obj{"currentPassword": password, "newPassword": "a new password"}).status)
	require.Equal(t, "invalid-token", s.verify(mail.Token).problem(), "a new password voids it")
	s.askMove(access, "b@example.com", "a new password")
	mail = s.lastMail(contract.UserEmailChangeAsked)
	s.clock.pass(48 * time.Hour)
	require.Equal(t, "invalid-token", s.verify(mail.Token).problem())
}

// Wherever a crash interrupts a move, the same token ends it, or another one does; the mailbox that was left signs
// nobody in, and whoever moved twice is not mistaken for who stayed.
func TestCrashWhileMoving(t *testing.T) {
	t.Parallel()
	for i := range 18 {
		n, again := i/2, i%2 == 0
		t.Run(fmt.Sprint(n, again), func(t *testing.T) {
			t.Parallel()
			store := memory.NewState()
			whole := newReplica(t, store, nil)
			dying := newCrashing(store)
			access, _ := whole.signUp("a@example.com")
			require.Equal(t, 202, whole.askMove(access, "b@example.com", password).status)
			token := whole.lastMail(contract.UserEmailChangeAsked).Token
			broken := newReplica(t, dying, whole)
			dying.mu.Lock()
			dying.writes = n
			dying.mu.Unlock()
			if r := broken.verify(token); r.status != 204 {
				require.Equal(t, 503, r.status, r.raw)
				if whole.do("GET", "/api/v1/me", access, nil).str("email") == "b@example.com" {
					require.Equal(t, 401, whole.login("a@example.com", password).status, "it has left, though the mailbox is not free yet")
					require.Equal(t, 200, whole.login("b@example.com", password).status)
				}
				if again {
					require.Equal(t, 204, whole.verify(token).status)
				} else { // lost: asked for anew, for yet another mailbox
					require.Equal(t, 202, whole.askMove(access, "c@example.com", password).status)
					require.Equal(t, 204, whole.verify(whole.lastMail(contract.UserEmailChangeAsked).Token).status)
				}
			}
			now := whole.do("GET", "/api/v1/me", access, nil).str("email")
			require.Contains(t, []string{"b@example.com", "c@example.com"}, now)
			require.Equal(t, 200, whole.login(now, password).status)
			require.Equal(t, 401, whole.login("a@example.com", password).status)
			require.Equal(t, 201, whole.register("a@example.com", "another password").status)
			require.Equal(t, 200, whole.login("a@example.com", "another password").status)
			require.Equal(t, 200, whole.do("GET", "/api/v1/me", access, nil).status)
		})
	}
}

// keeping is a store that cannot delete mailed tokens for a while.
type keeping struct {
	sidecar.State
	on atomic.Bool
}

func (k *keeping) Delete(ctx context.Context, key, etag string) error {
	if k.on.Load() && strings.HasPrefix(key, "token/") {
		return errCrash
	}
	return k.State.Delete(ctx, key, etag)
}

// A token that a crash has left, of a mailbox that its account has left since, neither harms that account nor brings
// it back.
func TestALeftTokenOfALeftMailbox(t *testing.T) {
	t.Parallel()
	state := &keeping{State: memory.NewState()}
	s := newReplica(t, state, nil)
	s.register("a@example.com", "the password of a stranger")
	require.NoError(t, s.service.Settle(t.Context()))
	s.register("a@example.com", password) // a candidate
	left := s.lastMail(contract.UserVerificationRequested).Token
	state.on.Store(true)
	require.Equal(t, 503, s.verify(left).status)
	state.on.Store(false)
	access := s.login("a@example.com", password).str("accessToken")
	s.askMove(access, "b@example.com", password)
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserEmailChangeAsked).Token).status)
	require.Equal(t, "invalid-token", s.verify(left).problem(), "nobody has the mailbox")
	require.Equal(t, 201, s.register("a@example.com", "the password of another").status)
	require.Equal(t, "invalid-token", s.verify(left).problem(), "somebody has it")
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserVerificationRequested).Token).status)
	require.Equal(t, "invalid-token", s.verify(left).problem(), "somebody has proved it")
	require.Equal(t, 200, s.login("a@example.com", "the password of another").status)
	require.Equal(t, 200, s.login("b@example.com", password).status)
	require.Equal(t, 200, s.do("GET", "/api/v1/me", access, nil).status)
}

// An administrator who moves elsewhere, or goes, is not replaced by one with the password of the configuration.
func TestFirstAdministratorMoves(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	config := service.Administrator{Email: "boss@example.com", Password: "the first password"}
	require.NoError(t, s.service.EnsureAdministrator(t.Context(), config))
	access := s.login("boss@example.com", "the first password").str("accessToken")
	require.Equal(t, 202, s.askMove(access, "me@example.com", "the first password").status)
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserEmailChangeAsked).Token).status)
	require.NoError(t, newReplica(t, s.state, s).service.EnsureAdministrator(t.Context(), config))
	require.Equal(t, 401, s.login("boss@example.com", "the first password").status)
	require.Equal(t, 200, s.login("me@example.com", "the first password").status)
	require.Len(t, s.do("GET", "/api/v1/users", access, nil).items(), 1)
}
