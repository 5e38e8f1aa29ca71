package e2e

import (
	"net/http"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
)

// tokenInMail finds the token in a mail in plain text, or in HTML, the only format of the SMTP binding.
var tokenInMail = regexp.MustCompile(`token, it is:(?:\s|<br>|<code>)+([A-Z0-9]+)`)

func TestMailedTokenVerifiesTheAddress(t *testing.T) {
	c, ctx := guest(t), t.Context()
	email := api.NewEmail()
	_, err := c.Register(ctx, email, api.NewKey(), "Ada Byron")
	require.NoError(t, err)
	var mail message
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		all := readMails(collect, sharedShop.MailDir(), email)
		require.Len(collect, all, 1)
		mail = all[0]
	}, timeout, interval)
	found := tokenInMail.FindStringSubmatch(mail.text)
	require.NotNil(t, found, mail.text)
	verify := api.Request{
		Method: http.MethodPost, Path: "/api/v1/auth/verify-email", Body: map[string]string{"token": found[1]},
	}
	a, err := c.Do(ctx, verify)
	require.NoError(t, err)
	require.NoError(t, a.Decode(nil))
	assertRefused(t, c, verify, "") // the token is used

	_, err = c.Register(ctx, email, api.NewKey(), "Somebody Else")
	requireProblem(t, err, http.StatusConflict, "email-taken")
}

func TestRefreshTokensAreSingleUse(t *testing.T) {
	c, ctx := guest(t), t.Context()
	email, password := api.NewEmail(), api.NewKey()
	_, err := c.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	first, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	refresh := func(token string) *api.Answer {
		a, err := c.Do(ctx, api.Request{
			Method: http.MethodPost, Path: "/api/v1/auth/refresh", Body: map[string]string{"refreshToken": token},
		})
		require.NoError(t, err)
		return a
	}
	// Two tabs use one token at once, or the answer is lost: each request gets the same tokens.
	answers := make([]*api.Answer, 4)
	var done sync.WaitGroup
	for i := range answers {
		done.Go(func() { answers[i] = refresh(first.RefreshToken) })
	}
	done.Wait()
	var second, third api.Session
	require.NoError(t, answers[0].Decode(&second))
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	for _, a := range answers {
		require.Equal(t, string(answers[0].Body), string(a.Body))
	}
	require.NoError(t, refresh(second.RefreshToken).Decode(&third))
	// The answer was not lost: the next token was used. So the first one was copied.
	requireProblem(t, refresh(first.RefreshToken).Problem(), http.StatusUnauthorized, "token-reused")
	require.Equal(t, http.StatusUnauthorized, refresh(third.RefreshToken).Status, "the whole token family is revoked")
}

func TestGuestCartIsClaimed(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := importProduct(t, 5)
	cart := cartWith(t, c, sku)
	somebody, _ := customer(t)
	claim := api.Request{
		Method: http.MethodPost, Path: "/api/v1/carts/" + cart.ID + "/claim",
		Header: map[string]string{"If-Match": cart.ETag},
	}
	require.Equal(t, http.StatusUnauthorized, assertRefused(t, c, claim, "").Status)
	a, err := somebody.Do(ctx, claim)
	require.NoError(t, err)
	var claimed api.Cart
	require.NoError(t, a.Decode(&claimed))
	mine, err := somebody.Cart(ctx, "mine")
	require.NoError(t, err)
	require.Equal(t, claimed.ID, mine.ID)
	require.Len(t, mine.Items, 1)
	require.Equal(t, sku, mine.Items[0].SKU)
	_, err = c.SetItem(ctx, cart, sku, 2)
	requireProblem(t, err, http.StatusNotFound, "not-found")
}

// mailedToken waits for the n-th mail to an address and returns the token in it.
func mailedToken(t *testing.T, to string, n int) string {
	t.Helper()
	var all []message
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		all = readMails(collect, sharedShop.MailDir(), to)
		require.Len(collect, all, n)
	}, timeout, interval)
	found := tokenInMail.FindStringSubmatch(all[n-1].text)
	require.NotNil(t, found, all[n-1].text)
	return found[1]
}

// A customer changes the e-mail address and then deletes the account. The cart is deleted too, although the access
// token is still valid, and both changes are in the history of the account.
func TestAddressIsChangedAndAccountIsDeleted(t *testing.T) {
	c, ctx := guest(t), t.Context()
	oldEmail, email, password := api.NewEmail(), api.NewEmail(), api.NewKey()
	user, err := c.Register(ctx, oldEmail, password, "Ada Byron")
	require.NoError(t, err)
	mailedToken(t, oldEmail, 1)
	session, err := c.Login(ctx, oldEmail, password)
	require.NoError(t, err)
	mine := c.As(session.AccessToken)
	do := func(by *api.Client, method, path string, body any) *api.Answer {
		a, err := by.Do(ctx, api.Request{Method: method, Path: path, Body: body})
		require.NoError(t, err)
		return a
	}
	change := map[string]string{"email": email, "currentPassword": password}
	require.Equal(t, http.StatusAccepted, do(mine, http.MethodPost, "/api/v1/me/email", change).Status)
	verify := map[string]string{"token": mailedToken(t, email, 1)}
	require.Equal(t, http.StatusNoContent, do(c, http.MethodPost, "/api/v1/auth/verify-email", verify).Status)
	_, err = c.Login(ctx, oldEmail, password)
	requireProblem(t, err, http.StatusUnauthorized, "invalid-credentials")
	_, err = c.Login(ctx, email, password)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return len(readMails(t, sharedShop.MailDir(), oldEmail)) == 2
	}, timeout, interval, "the old address is notified")

	_, err = mine.Cart(ctx, "mine")
	require.NoError(t, err)
	wrong := do(mine, http.MethodDelete, "/api/v1/me", map[string]string{"password": "wrong"})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.Status)
	require.Contains(t, string(wrong.Body), "body.password")
	confirm := map[string]string{"password": password}
	require.Equal(t, http.StatusNoContent, do(mine, http.MethodDelete, "/api/v1/me", confirm).Status)
	require.Equal(t, http.StatusUnauthorized, do(mine, http.MethodGet, "/api/v1/me", nil).Status)
	require.Eventually(t, func() bool {
		return do(mine, http.MethodGet, "/api/v1/carts/mine", nil).Status == http.StatusNotFound
	}, timeout, interval)
	_, err = c.Login(ctx, email, password)
	requireProblem(t, err, http.StatusUnauthorized, "invalid-credentials")

	var events api.List[struct{ Type, By string }]
	require.NoError(t, do(staff(t), http.MethodGet, "/api/v1/users/"+user.ID+"/events", nil).Decode(&events))
	require.Equal(t, "user.deleted", events.Items[0].Type)
	require.Equal(t, user.ID, events.Items[0].By)
	require.Equal(t, "user.verification-requested", events.Items[len(events.Items)-1].Type)
}
