package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// In a shop with REGISTRATION=verified, a registration gets the same answer whether or not the mailbox has an account,
// and the mail opens the account. Strangers at other addresses, who guess passwords and ask for mails, do not keep the
// owner from either.
func TestAccountsAreOpenedByMail(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _, _ := startOwnShop(t, map[string]string{"REGISTRATION": "verified", "TRUSTED_PROXIES": "127.0.0.0/8"})
	c := newClient(localShop{s})
	type object = map[string]string
	post := func(address, path string, body object) *api.Answer {
		t.Helper()
		a, err := c.Do(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/auth/" + path, Body: body,
			Header: map[string]string{"X-Forwarded-For": address}})
		require.NoError(t, err)
		return a
	}
	mailsTo := func(email string, n int) (mails []message) {
		t.Helper()
		require.EventuallyWithT(t, func(collect *assert.CollectT) {
			mails = readMails(collect, s.MailDir(), email)
			require.Len(collect, mails, n)
		}, timeout, interval)
		return mails
	}
	const home, strangers = "198.51.100.7", "203.0.113.%d"
	email, password := api.NewEmail(), api.NewKey()
	register := func(password string) *api.Answer {
		return post(home, "register", object{"email": email, "password": password, "name": "Ada Byron"})
	}
	login := func(address, password string) int {
		return post(address, "login", object{"email": email, "password": password}).Status
	}

	first := register(password)
	require.Equal(t, http.StatusAccepted, first.Status, string(first.Body))
	require.Empty(t, first.Body)
	mail := mailsTo(email, 1)[0]
	require.Contains(t, mail.text, "with the password that was chosen then")
	require.Equal(t, http.StatusUnauthorized, login(home, password))
	verify := object{"token": tokenInMail.FindStringSubmatch(mail.text)[1]}
	require.Equal(t, http.StatusNoContent, post(home, "verify-email", verify).Status)
	require.Equal(t, http.StatusUnprocessableEntity, post(home, "verify-email", verify).Status)
	require.Equal(t, http.StatusOK, login(home, password))

	again := register("some other password")
	require.Equal(t, first.Status, again.Status)
	require.Equal(t, first.Body, again.Body)
	for _, mail := range mailsTo(email, 2) {
		if tokenInMail.FindStringSubmatch(mail.text) == nil {
			require.Contains(t, mail.text, "somebody has tried to register")
		}
	}
	require.Equal(t, http.StatusUnauthorized, login(fmt.Sprintf(strangers, 1), "some other password"))

	for i := range 25 {
		login(fmt.Sprintf(strangers, i), "wrong")
	}
	require.Equal(t, http.StatusTooManyRequests, login("203.0.113.99", password), "from an unknown address")
	require.Equal(t, http.StatusOK, login(home, password), "where the owner has signed in before")

	for i := range 16 {
		forgot := post(fmt.Sprintf(strangers, i%2), "forgot-password", object{"email": email})
		require.Equal(t, http.StatusAccepted, forgot.Status)
	}
	mailsTo(email, 2+8) // ten mails for unknown clients, with the two registrations
	require.Equal(t, http.StatusAccepted, post(home, "forgot-password", object{"email": email}).Status)
	mailsTo(email, 2+8+1)
}
