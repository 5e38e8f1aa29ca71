package service

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.do("POST", "/api/v1/auth/register", "",
		obj{"email": " Ada@Example.COM ", "password": "pässwörd🔑", "name": "  Ada Lovelace "})
	require.Equal(t, 201, r.status, r.raw)
	require.Equal(t, "ada@example.com", r.str("email"))
	require.Equal(t, "Ada Lovelace", r.str("name"))
	require.Equal(t, false, r.json["emailVerified"])
	require.Equal(t, []any{"customer"}, r.json["roles"])
	require.NotEmpty(t, r.header.Get("ETag"))
	require.Len(t, r.json, 6)
	in := f.login("ADA@example.com", "pässwörd🔑")
	require.Equal(t, 200, in.status, in.raw)
	require.EqualValues(t, 600, in.json["expiresIn"])
	require.Equal(t, r.json, in.json["user"])
	mail := f.lastMail(contract.UserVerificationRequested)
	require.Equal(t, r.str("id"), mail.UserID)
	require.Equal(t, "ada@example.com", mail.Email)
	require.Empty(t, mail.Name, "nobody has proven the mailbox")
	require.Len(t, mail.Token, 52)
}

func TestInvalidRegistrationsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	valid := obj{"email": "a@example.com", "password": password, "name": "A"}
	for _, c := range []struct {
		member string
		value  any
		field  string
	}{
		{"email", "", "body.email"}, {"email", "nobody", "body.email"}, {"email", "A <a@example.com>", "body.email"},
		{"email", "a@example.com, b@example.com", "body.email"},
		{"email", "a@b.example\r\nBcc: x@y.example", "body.email"},
		{"email", strings.Repeat("a", 65) + "@example.com", "body.email"},
		{"email", "a@[127.0.0.1]", "body.email"},
		{"email", "josé@example.com", "body.email"},
		{"email", "a@" + strings.Repeat("b", 300), "body.email"},
		{"email", 7, "body.email"}, {"email", nil, "body.email"},
		{"password", "seven77", "body.password"}, {"password", strings.Repeat("é", 129), "body.password"},
		{"password", true, "body.password"}, {"name", "", "body.name"}, {"name", "   ", "body.name"},
		{"name", strings.Repeat("n", 201), "body.name"}, {"name", "a\x00b", "body.name"},
		{"name", "a\u202eb", "body.name"}, {"roles", []string{"admin"}, "body.roles"},
	} {
		body := obj{}
		for k, v := range valid {
			body[k] = v
		}
		body[c.member] = c.value
		r := f.do("POST", "/api/v1/auth/register", "", body)
		require.Equal(t, 422, r.status, "%s=%v: %s", c.member, c.value, r.raw)
		require.Equal(t, c.field, r.field(), "%s=%v: %s", c.member, c.value, r.raw)
		require.NotContains(t, r.raw, "seven77")
	}
	require.Equal(t, 400, f.do("POST", "/api/v1/auth/register", "", "{").status)
	require.Equal(t, 400, f.do("POST", "/api/v1/auth/register", "", "{\"email\":\"\xff\"}").status)
	large := `{"name":"` + strings.Repeat("x", 1<<20) + `"}`
	require.Equal(t, 413, f.do("POST", "/api/v1/auth/register", "", large).status)
	form := f.do("POST", "/api/v1/auth/register", "", "email=a", "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, 415, form.status)
	require.Equal(t, 201, f.do("POST", "/api/v1/auth/register", "", valid).status)
}

func TestAProvenMailboxIsTaken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.Equal(t, 201, f.register("a@example.com", password).status)
	mail := f.lastMail(contract.UserVerificationRequested)
	require.Equal(t, 422, f.verify(mail.Token+"x").status)
	require.Equal(t, 204, f.verify(mail.Token).status)
	require.Equal(t, "invalid-token", f.verify(mail.Token).problem(), "a token is valid once")
	require.Equal(t, true, f.login("a@example.com", password).user()["emailVerified"])
	r := f.register("A@EXAMPLE.com", "another password")
	require.Equal(t, 409, r.status)
	require.Equal(t, "email-taken", r.problem())
}

func TestVerificationTokensExpire(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	mail := f.lastMail(contract.UserVerificationRequested)
	f.clock.pass(48 * time.Hour)
	require.Equal(t, "invalid-token", f.verify(mail.Token).problem())
	access := f.login("a@example.com", password).str("accessToken")
	require.Equal(t, 202, f.do("POST", "/api/v1/me/verification", access, nil).status)
	require.Equal(t, 204, f.verify(f.lastMail(contract.UserVerificationRequested).Token).status)
	require.Equal(t, 202, f.do("POST", "/api/v1/me/verification", access, nil).status)
	require.Len(t, f.mails(contract.UserVerificationRequested), 2, "a proven mailbox gets no mail")
}

// The account of a stranger who has registered a user's address must neither become the user's nor stay the stranger's.
func TestTheSecondRegistrationGetsTheMailboxByItsMail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.register("a@example.com", "the first password")
	firstMail := f.lastMail(contract.UserVerificationRequested)
	in := f.login("a@example.com", "the first password")

	second := f.register("a@example.com", "the second password")
	require.Equal(t, 201, second.status, second.raw)
	require.Len(t, second.json, len(first.json), "both answers look the same")
	require.NotEqual(t, first.str("id"), second.str("id"))
	secondMail := f.lastMail(contract.UserVerificationRequested)
	require.Equal(t, second.str("id"), secondMail.UserID)

	require.Equal(t, 401, f.login("a@example.com", "the second password").status,
		"the registration alone does not replace the account")
	require.Equal(t, 200, f.login("a@example.com", "the first password").status)

	require.Equal(t, 204, f.verify(secondMail.Token).status)
	require.Equal(t, 401, f.login("a@example.com", "the first password").status)
	now := f.login("a@example.com", "the second password")
	require.Equal(t, second.str("id"), now.user()["id"])
	require.Equal(t, true, now.user()["emailVerified"])
	require.Equal(t, 401, f.me(in.str("accessToken")).status,
		"the sessions of the first account have ended")
	require.Equal(t, 401, f.do("POST", "/api/v1/auth/refresh", "", obj{"refreshToken": in.str("refreshToken")}).status)
	require.Equal(t, "invalid-token", f.verify(firstMail.Token).problem())
	require.Equal(t, "email-taken", f.register("a@example.com", password).problem())
}

func TestTheFirstRegistrationKeepsTheMailboxByItsMail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", "the first password")
	firstMail := f.lastMail(contract.UserVerificationRequested)
	f.register("a@example.com", "the second password")
	secondMail := f.lastMail(contract.UserVerificationRequested)
	require.Equal(t, 204, f.verify(firstMail.Token).status)
	require.Equal(t, "invalid-token", f.verify(secondMail.Token).problem())
	require.Equal(t, 200, f.login("a@example.com", "the first password").status)
	require.Equal(t, 401, f.login("a@example.com", "the second password").status)
}

// After twenty registrations of one address at once, on two replicas, exactly one password signs in.
func TestConcurrentRegistrationsMakeOneAccount(t *testing.T) {
	t.Parallel()
	one := newFixture(t)
	two := newReplica(t, one.state, one)
	start := make(chan struct{})
	ids := make([]string, 20)
	var done sync.WaitGroup
	for i := range ids {
		done.Go(func() {
			<-start
			r := []*fixture{one, two}[i%2].register("a@example.com", fmt.Sprintf("password number %d", i))
			require.Equal(t, 201, r.status, r.raw)
			ids[i] = r.str("id")
		})
	}
	close(start)
	done.Wait()
	seen := map[string]bool{}
	winners := 0
	for i, id := range ids {
		require.False(t, seen[id], "each registration has its own id")
		seen[id] = true
		one.clock.pass(time.Hour)
		if r := one.login("a@example.com", fmt.Sprintf("password number %d", i)); r.status == 200 {
			winners++
			require.Equal(t, id, r.user()["id"])
		}
	}
	require.Equal(t, 1, winners)
}

func TestMailIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 20 {
		require.Equal(t, 201, f.register("a@example.com", password).status)
	}
	require.Len(t, f.mails(contract.UserVerificationRequested), 5)
}

// Many servers put mail to an address with a tag into the same mailbox.
func TestMailToTaggedAddressesIsBoundedTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 20 {
		require.Equal(t, 201, f.register(fmt.Sprintf("a+%d@example.com", i), password).status)
	}
	require.Len(t, f.mails(contract.UserVerificationRequested), 5)
}

// Nobody has proven the mailbox of a new account: its name may be a stranger's advertising.
func TestMailToAnUnprovenMailboxHasNoName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := f.do("POST", "/api/v1/auth/register", "",
		obj{"email": "a@example.com", "password": password, "name": "Win Free Money"})
	require.Equal(t, 201, r.status, r.raw)
	verification := f.lastMail(contract.UserVerificationRequested)
	require.Empty(t, verification.Name)
	require.Equal(t, 202, f.forgotPassword("a@example.com").status)
	require.Empty(t, f.lastMail(contract.UserPasswordResetAsked).Name)
	require.Equal(t, 204, f.verify(verification.Token).status)
	require.Equal(t, 202, f.forgotPassword("a@example.com").status)
	require.Equal(t, "Win Free Money", f.lastMail(contract.UserPasswordResetAsked).Name)
	access := f.login("a@example.com", password).str("accessToken")
	require.Equal(t, 202, f.requestEmailChange(access, "victim@example.com", password).status)
	require.Empty(t, f.lastMail(contract.UserEmailChangeAsked).Name)
}
