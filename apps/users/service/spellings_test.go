package service

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
)

func TestTheSpellingsOfAMailboxAreOneAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	spellings := []string{"jose@exämple.test", "JOSE@EXA\u0308MPLE.TEST", "jose@xn--exmple-cua.test"}
	require.Equal(t, "jose@xn--exmple-cua.test", f.register(spellings[0], password).str("email"))
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	for _, spelling := range spellings {
		require.Equal(t, 200, f.login(spelling, password).status, spelling)
		require.Equal(t, "email-taken", f.register(spelling, password).problem(), spelling)
		for range 5 {
			require.Equal(t, 202, f.forgotPassword(spelling).status)
		}
	}
	require.Len(t, f.mails(contract.UserPasswordResetAsked), 4, "with that of the registration they are counted together")
	for i := range 5 {
		require.Equal(t, 401, f.login(spellings[i%3], "wrong").status)
	}
	for _, spelling := range spellings {
		require.Equal(t, 429, f.login(spelling, "wrong").status, "the guesses are counted together")
	}
}

// An account of an earlier release, whose documents have the address in lower case only, is found by every spelling.
func TestAccountsOfEarlierReleasesAreFound(t *testing.T) {
	t.Parallel()
	for _, former := range []string{"x@exämple.test", "x@exa\u0308mple.test", "x@xn--exmple-cua.test", "x@example.com"} {
		f := newFixture(t)
		r := f.register(former, password)
		id, token := r.str("id"), f.lastMail(contract.UserVerificationRequested).Token
		f.storeSpelling(id, r.str("email"), former)
		in := f.login(former, password)
		require.Equal(t, id, in.user()["id"], former)
		require.Equal(t, id, f.login(r.str("email"), password).user()["id"], former)
		require.Equal(t, 204, f.verify(token).status)
		require.Equal(t, "email-taken", f.register(former, password).problem())
		export := f.do("GET", "/internal/export", "", nil)
		require.Contains(t, export.raw, claimKeyOf(former))
		f.forgotPassword(strings.ToUpper(former))
		require.Equal(t, 204, f.resetPassword(f.lastMail(contract.UserPasswordResetAsked).Token, "a new password").status)
		access := f.login(former, "a new password").str("accessToken")
		require.Equal(t, 202, f.requestEmailChange(access, "y@example.com", "a new password").status)
		require.Equal(t, 204, f.verify(f.lastMail(contract.UserEmailChangeAsked).Token).status)
		again := f.register(former, password)
		require.Equal(t, 201, again.status, "the mailbox is free")
		require.NotEqual(t, id, again.str("id"))
	}
}

// New accounts have an address that mail reaches. Accounts of earlier releases may have another one.
func TestAccountsWhoseAddressIsNotASCIIAreFound(t *testing.T) {
	t.Parallel()
	for _, former := range []string{"jos\u00e9@example.com", "jose\u0301@example.com"} {
		f := newFixture(t)
		require.Equal(t, 422, f.register(former, password).status)
		r := f.register("x@example.com", password)
		f.storeSpelling(r.str("id"), "x@example.com", former)
		for _, spelling := range []string{"jos\u00e9@example.com", "JOSE\u0301@example.com"} {
			require.Equal(t, r.str("id"), f.login(spelling, password).user()["id"], spelling)
		}
		f.forgotPassword(strings.ToUpper(former))
		require.Equal(t, 204, f.resetPassword(f.lastMail(contract.UserPasswordResetAsked).Token, "a new password").status)
	}
}

func claimKeyOf(email string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d:%s", len(email), email))
	return "email/" + hex.EncodeToString(sum[:])
}

// storeSpelling stores an account and its claim as an earlier release has stored them.
func (f *fixture) storeSpelling(id, normal, former string) {
	f.t.Helper()
	claim, err := f.state.Get(f.t.Context(), claimKeyOf(normal))
	require.NoError(f.t, err)
	require.NoError(f.t, f.state.Delete(f.t.Context(), claim.Key, ""))
	require.NoError(f.t, f.state.Put(f.t.Context(), claimKeyOf(former), claim.Value, ""))
	item, err := f.state.Get(f.t.Context(), "user/"+id)
	require.NoError(f.t, err)
	var doc obj
	require.NoError(f.t, json.Unmarshal(item.Value, &doc))
	doc["email"] = former
	value, err := json.Marshal(doc)
	require.NoError(f.t, err)
	require.NoError(f.t, f.state.Put(f.t.Context(), item.Key, value, ""))
}
