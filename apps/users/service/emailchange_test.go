package service

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service/administration"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

func (f *fixture) requestEmailChange(access, to, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/me/email", access, obj{"email": to, "currentPassword": pass})
}

func TestUsersChangeTheirEmailAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, refresh := f.signUp("old@example.com")
	f.verify(f.lastMail(contract.UserVerificationRequested).Token)
	f.forgotPassword("old@example.com")
	reset := f.lastMail(contract.UserPasswordResetAsked)
	id := f.me(access).str("id")

	require.Equal(t, 401, f.requestEmailChange("", "new@example.com", password).status)
	require.Equal(t, "invalid-credentials", f.requestEmailChange(access, "new@example.com", "wrong").problem())
	require.Equal(t, "body.currentPassword", f.requestEmailChange(access, "new@example.com", "wrong").field())
	for _, bad := range []string{"OLD@example.com", "nobody", "A <a@example.com>"} {
		require.Equal(t, "body.email", f.requestEmailChange(access, bad, password).field(), bad)
	}
	unknownMember := obj{"email": "new@example.com", "currentPassword": password, "newPassword": "x"}
	require.Equal(t, "body.newPassword", f.do("POST", "/api/v1/me/email", access, unknownMember).field())
	require.Equal(t, 202, f.requestEmailChange(access, "New@Example.com", password).status)
	mail := f.lastMail(contract.UserEmailChangeAsked)
	require.Equal(t, contract.UserLetter{Email: "new@example.com", Token: mail.Token}, mail.UserLetter)
	require.Equal(t, 401, f.login("new@example.com", password).status, "the request alone changes nothing")
	require.Equal(t, "old@example.com", f.me(access).str("email"))

	require.Equal(t, 204, f.verify(mail.Token).status)
	require.Equal(t, "invalid-token", f.verify(mail.Token).problem(), "it is valid once")
	me := f.me(access)
	require.Equal(t, "new@example.com", me.str("email"))
	require.Equal(t, true, me.json["emailVerified"])
	require.Equal(t, 200, f.refresh(refresh).status, "sessions continue")
	require.Equal(t, 401, f.login("old@example.com", password).status)
	require.Equal(t, id, f.login("new@example.com", password).user()["id"])
	require.Equal(t, "invalid-token", f.resetPassword(reset.Token, "a new password").problem(),
		"mails to the former mailbox are void")
	notice := f.lastMail(contract.UserEmailChanged)
	require.Equal(t, "old@example.com", notice.Email)
	require.Equal(t, "invalid-token", f.verify(notice.Token).problem(), "the token of the notice has no use")
	require.Equal(t, "email-taken", f.register("new@example.com", password).problem())
	require.Equal(t, 201, f.register("old@example.com", "another password").status, "the former mailbox is free")
	require.NotEqual(t, id, f.login("old@example.com", "another password").user()["id"])
}

func TestAMailboxThatIsTakenCannotBeAcquired(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("zoe@example.com", "the password of zoe")
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	access, _ := f.signUp("a@example.com")
	taken := f.requestEmailChange(access, "zoe@example.com", password)
	free := f.requestEmailChange(access, "free@example.com", password)
	require.Equal(t, 202, taken.status)
	require.Equal(t, free.raw, taken.raw, "the answer does not show that it is taken")
	mails := f.mails(contract.UserEmailChangeAsked)
	require.Len(t, mails, 1)
	require.Equal(t, "free@example.com", mails[0].Email)

	f.register("free@example.com", "the password of free") // and proves it first
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	require.Equal(t, "email-taken", f.verify(mails[0].Token).problem())
	require.Equal(t, 200, f.login("a@example.com", password).status)
	require.Equal(t, 200, f.login("free@example.com", "the password of free").status)
}

// An unproven registration of a mailbox does not prevent its owner from changing to it.
func TestAnUnprovenAccountLosesTheMailboxToAnEmailChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stranger := f.register("mine@example.com", "the password of a stranger")
	theirs := f.lastMail(contract.UserVerificationRequested)
	access, _ := f.signUp("a@example.com")
	f.requestEmailChange(access, "mine@example.com", password)
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserEmailChangeAsked).Token).status)
	require.Equal(t, 200, f.login("mine@example.com", password).status)
	require.Equal(t, 401, f.login("mine@example.com", "the password of a stranger").status)
	require.True(t, f.erased(stranger.str("id")))
	require.Equal(t, "invalid-token", f.verify(theirs.Token).problem())
	require.Equal(t, 200, f.login("mine@example.com", password).status)
}

func TestTokensOfEmailChangesExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	f.requestEmailChange(access, "b@example.com", password)
	mail := f.lastMail(contract.UserEmailChangeAsked)
	require.Equal(t, 204, f.changePassword(access, password, "a new password").status)
	require.Equal(t, "invalid-token", f.verify(mail.Token).problem(), "a new password makes it void")
	f.requestEmailChange(access, "b@example.com", "a new password")
	mail = f.lastMail(contract.UserEmailChangeAsked)
	f.clock.pass(48 * time.Hour)
	require.Equal(t, "invalid-token", f.verify(mail.Token).problem())
}

// After a crash during a change, the same token completes it, and so does a token for yet another mailbox. The former
// mailbox signs nobody in, and is free in the end.
func TestAnEmailChangeIsCompletedAfterACrash(t *testing.T) {
	t.Parallel()
	for i := range 18 {
		n, sameToken := i/2, i%2 == 0
		t.Run(fmt.Sprint(n, sameToken), func(t *testing.T) {
			t.Parallel()
			state := memory.NewState()
			healthy := newReplica(t, state, nil)
			crashing := newCrashingState(state)
			access, _ := healthy.signUp("a@example.com")
			require.Equal(t, 202, healthy.requestEmailChange(access, "b@example.com", password).status)
			token := healthy.lastMail(contract.UserEmailChangeAsked).Token
			broken := newReplica(t, crashing, healthy)
			crashing.crashAfter(n)
			if r := broken.verify(token); r.status != 204 {
				require.Equal(t, 503, r.status, r.raw)
				if healthy.me(access).str("email") == "b@example.com" {
					former := healthy.login("a@example.com", password)
					require.Equal(t, 401, former.status, "although the former mailbox is not released yet")
					require.Equal(t, 200, healthy.login("b@example.com", password).status)
				}
				if sameToken {
					require.Equal(t, 204, healthy.verify(token).status)
				} else { // the token is lost, and the user wants yet another mailbox
					require.Equal(t, 202, healthy.requestEmailChange(access, "c@example.com", password).status)
					other := healthy.lastMail(contract.UserEmailChangeAsked)
					require.Equal(t, 204, healthy.verify(other.Token).status)
				}
			}
			now := healthy.me(access).str("email")
			require.Contains(t, []string{"b@example.com", "c@example.com"}, now)
			require.Equal(t, 200, healthy.login(now, password).status)
			require.Equal(t, 401, healthy.login("a@example.com", password).status)
			require.Equal(t, 201, healthy.register("a@example.com", "another password").status)
			require.Equal(t, 200, healthy.login("a@example.com", "another password").status)
			require.Equal(t, 200, healthy.me(access).status)
		})
	}
}

// undeletingState fails to delete mailed tokens while failing is set.
type undeletingState struct {
	sidecar.State
	failing atomic.Bool
}

func (u *undeletingState) Delete(ctx context.Context, key, etag string) error {
	if u.failing.Load() && strings.HasPrefix(key, "token/") {
		return errCrash
	}
	return u.State.Delete(ctx, key, etag)
}

// A token that was used, but is still stored after a crash, does not affect the account after it has changed to another
// mailbox, and does not give it the former mailbox again.
func TestAnOldTokenOfAFormerMailboxIsVoid(t *testing.T) {
	t.Parallel()
	state := &undeletingState{State: memory.NewState()}
	f := newReplica(t, state, nil)
	f.register("a@example.com", "the password of a stranger")
	f.finishTasks()
	f.register("a@example.com", password) // a candidate
	old := f.lastMail(contract.UserVerificationRequested).Token
	state.failing.Store(true)
	require.Equal(t, 503, f.verify(old).status)
	state.failing.Store(false)
	access := f.login("a@example.com", password).str("accessToken")
	f.requestEmailChange(access, "b@example.com", password)
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserEmailChangeAsked).Token).status)
	require.Equal(t, "invalid-token", f.verify(old).problem(), "the mailbox is free")
	require.Equal(t, 201, f.register("a@example.com", "the password of another").status)
	require.Equal(t, "invalid-token", f.verify(old).problem(), "another account has the mailbox")
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	require.Equal(t, "invalid-token", f.verify(old).problem(), "another account has proven the mailbox")
	require.Equal(t, 200, f.login("a@example.com", "the password of another").status)
	require.Equal(t, 200, f.login("b@example.com", password).status)
	require.Equal(t, 200, f.me(access).status)
}

// No new administrator with the password of the configuration is made after the first one has changed to another
// mailbox.
func TestTheFirstAdministratorMayChangeTheEmailAddress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config := administration.Administrator{Email: "boss@example.com", Password: "the first password"}
	require.NoError(t, f.service.administration.EnsureAdministrator(t.Context(), config))
	access := f.login("boss@example.com", "the first password").str("accessToken")
	require.Equal(t, 202, f.requestEmailChange(access, "me@example.com", "the first password").status)
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserEmailChangeAsked).Token).status)
	require.NoError(t, newReplica(t, f.state, f).service.administration.EnsureAdministrator(t.Context(), config))
	require.Equal(t, 401, f.login("boss@example.com", "the first password").status)
	require.Equal(t, 200, f.login("me@example.com", "the first password").status)
	require.Len(t, f.do("GET", "/api/v1/users", access, nil).items(), 1)
}
