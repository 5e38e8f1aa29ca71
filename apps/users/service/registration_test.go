package service_test

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
	s := newShop(t)
	r := s.do("POST", "/api/v1/auth/register", "", obj{"email": " Ada@Example.COM ", "password": "pässwörd🔑", "name": "  Ada Lovelace "})
	require.Equal(t, 201, r.status, r.raw)
	require.Equal(t, "ada@example.com", r.str("email"))
	require.Equal(t, "Ada Lovelace", r.str("name"))
	require.Equal(t, false, r.json["emailVerified"])
	require.Equal(t, []any{"customer"}, r.json["roles"])
	require.NotEmpty(t, r.header.Get("ETag"))
	require.Len(t, r.json, 6)
	in := s.login("ADA@example.com", "pässwörd🔑")
	require.Equal(t, 200, in.status, in.raw)
	require.EqualValues(t, 600, in.json["expiresIn"])
	require.Equal(t, r.json, in.json["user"])
	mail := s.lastMail(contract.UserVerificationRequested)
	require.Equal(t, r.str("id"), mail.UserID)
	require.Equal(t, contract.UserLetter{Email: "ada@example.com", Name: "Ada Lovelace", Token: mail.Token}, mail.UserLetter)
	require.Len(t, mail.Token, 52)
}

func TestRegisterRefusesBadInput(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	good := obj{"email": "a@example.com", "password": password, "name": "A"}
	for _, c := range []struct {
		member string
		value  any
		field  string
	}{
		{"email", "", "body.email"}, {"email", "nobody", "body.email"}, {"email", "A <a@example.com>", "body.email"},
		{"email", "a@example.com, b@example.com", "body.email"}, {"email", "a@b.example\r\nBcc: x@y.example", "body.email"},
		{"email", strings.Repeat("a", 65) + "@example.com", "body.email"}, {"email", "a@" + strings.Repeat("b", 300), "body.email"},
		{"email", 7, "body.email"}, {"email", nil, "body.email"},
		{"password", "seven77", "body.password"}, {"password", strings.Repeat("é", 129), "body.password"}, {"password", true, "body.password"},
		{"name", "", "body.name"}, {"name", "   ", "body.name"}, {"name", strings.Repeat("n", 201), "body.name"}, {"name", "a\x00b", "body.name"},
		{"name", "a\u202eb", "body.name"}, {"roles", []string{"admin"}, "body.roles"},
	} {
		body := obj{}
		for k, v := range good {
			body[k] = v
		}
		body[c.member] = c.value
		r := s.do("POST", "/api/v1/auth/register", "", body)
		require.Equal(t, 422, r.status, "%s=%v: %s", c.member, c.value, r.raw)
		require.Equal(t, c.field, r.field(), "%s=%v: %s", c.member, c.value, r.raw)
		require.NotContains(t, r.raw, "seven77")
	}
	require.Equal(t, 400, s.do("POST", "/api/v1/auth/register", "", "{").status)
	require.Equal(t, 400, s.do("POST", "/api/v1/auth/register", "", "{\"email\":\"\xff\"}").status)
	require.Equal(t, 413, s.do("POST", "/api/v1/auth/register", "", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`).status)
	require.Equal(t, 415, s.do("POST", "/api/v1/auth/register", "", "email=a", "Content-Type", "application/x-www-form-urlencoded").status)
	require.Equal(t, 201, s.do("POST", "/api/v1/auth/register", "", good).status)
}

func TestVerifiedMailboxIsTaken(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.Equal(t, 201, s.register("a@example.com", password).status)
	mail := s.lastMail(contract.UserVerificationRequested)
	require.Equal(t, 422, s.verify(mail.Token+"x").status)
	require.Equal(t, 204, s.verify(mail.Token).status)
	require.Equal(t, "invalid-token", s.verify(mail.Token).problem(), "a token serves once")
	require.Equal(t, true, s.login("a@example.com", password).json["user"].(obj)["emailVerified"])
	r := s.register("A@EXAMPLE.com", "another password")
	require.Equal(t, 409, r.status)
	require.Equal(t, "email-taken", r.problem())
}

func TestVerificationExpires(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("a@example.com", password)
	mail := s.lastMail(contract.UserVerificationRequested)
	s.clock.pass(48 * time.Hour)
	require.Equal(t, "invalid-token", s.verify(mail.Token).problem())
	access := s.login("a@example.com", password).str("accessToken")
	require.Equal(t, 202, s.do("POST", "/api/v1/me/verification", access, nil).status)
	require.Equal(t, 204, s.verify(s.lastMail(contract.UserVerificationRequested).Token).status)
	require.Equal(t, 202, s.do("POST", "/api/v1/me/verification", access, nil).status)
	require.Len(t, s.mails(contract.UserVerificationRequested), 2, "a proven mailbox needs no mail")
}

// The account of a stranger who registered my address beforehand must not become mine, nor stay theirs.
func TestSecondRegistrationDecidedByMail(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.register("a@example.com", "the first password")
	firstMail := s.lastMail(contract.UserVerificationRequested)
	in := s.login("a@example.com", "the first password")

	second := s.register("a@example.com", "the second password")
	require.Equal(t, 201, second.status, second.raw)
	require.Len(t, second.json, len(first.json), "both answers look alike")
	require.NotEqual(t, first.str("id"), second.str("id"))
	secondMail := s.lastMail(contract.UserVerificationRequested)
	require.Equal(t, second.str("id"), secondMail.UserID)

	require.Equal(t, 401, s.login("a@example.com", "the second password").status, "asking takes nothing over")
	require.Equal(t, 200, s.login("a@example.com", "the first password").status)

	require.Equal(t, 204, s.verify(secondMail.Token).status)
	require.Equal(t, 401, s.login("a@example.com", "the first password").status)
	now := s.login("a@example.com", "the second password")
	require.Equal(t, second.str("id"), now.json["user"].(obj)["id"])
	require.Equal(t, true, now.json["user"].(obj)["emailVerified"])
	require.Equal(t, 401, s.do("GET", "/api/v1/me", in.str("accessToken"), nil).status, "the first account's sessions are over")
	require.Equal(t, 401, s.do("POST", "/api/v1/auth/refresh", "", obj{"refreshToken": in.str("refreshToken")}).status)
	require.Equal(t, "invalid-token", s.verify(firstMail.Token).problem())
	require.Equal(t, "email-taken", s.register("a@example.com", password).problem())
}

func TestFirstRegistrationWinsByMail(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.register("a@example.com", "the first password")
	firstMail := s.lastMail(contract.UserVerificationRequested)
	s.register("a@example.com", "the second password")
	secondMail := s.lastMail(contract.UserVerificationRequested)
	require.Equal(t, 204, s.verify(firstMail.Token).status)
	require.Equal(t, "invalid-token", s.verify(secondMail.Token).problem())
	require.Equal(t, 200, s.login("a@example.com", "the first password").status)
	require.Equal(t, 401, s.login("a@example.com", "the second password").status)
}

// Twenty people register one address at once, on two replicas: exactly one account signs in.
func TestRegisterContention(t *testing.T) {
	t.Parallel()
	one := newShop(t)
	two := newReplica(t, one.state, one)
	start := make(chan struct{})
	ids := make([]string, 20)
	var done sync.WaitGroup
	for i := range ids {
		done.Go(func() {
			<-start
			s := []*shop{one, two}[i%2]
			r := s.register("a@example.com", fmt.Sprintf("password number %d", i))
			require.Equal(t, 201, r.status, r.raw)
			ids[i] = r.str("id")
		})
	}
	close(start)
	done.Wait()
	seen := map[string]bool{}
	winners := 0
	for i, id := range ids {
		require.False(t, seen[id], "each registration has an id of its own")
		seen[id] = true
		one.clock.pass(time.Hour)
		if r := one.login("a@example.com", fmt.Sprintf("password number %d", i)); r.status == 200 {
			winners++
			require.Equal(t, id, r.json["user"].(obj)["id"])
		}
	}
	require.Equal(t, 1, winners)
}

func TestMailIsBounded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for range 20 {
		require.Equal(t, 201, s.register("a@example.com", password).status)
	}
	require.Len(t, s.mails(contract.UserVerificationRequested), 5)
}
