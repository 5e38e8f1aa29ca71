package e2e

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/shop"
)

func TestMailProvesTheMailbox(t *testing.T) {
	c, ctx := guest(t), t.Context()
	email := shop.NewEmail()
	_, err := c.Register(ctx, email, shop.NewKey(), "Ada Byron")
	require.NoError(t, err)
	var mail letter
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		all := letters(collect, theShop.MailDir(), email)
		require.Len(collect, all, 1)
		mail = all[0]
	}, soon, tick)
	found := regexp.MustCompile(`(?m)token, it is:\s+(\S+)`).FindStringSubmatch(mail.text)
	require.NotNil(t, found, mail.text)
	verify := shop.Request{Method: http.MethodPost, Path: "/api/v1/auth/verify-email", Body: map[string]string{"token": found[1]}}
	a, err := c.Do(ctx, verify)
	require.NoError(t, err)
	require.NoError(t, a.Decode(nil))
	refused(t, c, verify, "") // a token serves once

	_, err = c.Register(ctx, email, shop.NewKey(), "Somebody Else")
	problem(t, err, http.StatusConflict, "email-taken")
}

func TestRefreshTokensServeOnce(t *testing.T) {
	c, ctx := guest(t), t.Context()
	email, password := shop.NewEmail(), shop.NewKey()
	_, err := c.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	first, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	refresh := func(token string) *shop.Answer {
		a, err := c.Do(ctx, shop.Request{Method: http.MethodPost, Path: "/api/v1/auth/refresh", Body: map[string]string{"refreshToken": token}})
		require.NoError(t, err)
		return a
	}
	var second shop.Session
	require.NoError(t, refresh(first.RefreshToken).Decode(&second))
	require.NotEqual(t, first.RefreshToken, second.RefreshToken)
	problem(t, refresh(first.RefreshToken).Problem(), http.StatusUnauthorized, "token-reused")
	require.Equal(t, http.StatusUnauthorized, refresh(second.RefreshToken).Status, "the whole family is revoked")
}

func TestGuestCartIsClaimed(t *testing.T) {
	c, ctx := guest(t), t.Context()
	sku := stocked(t, 5)
	cart := cartOf(t, c, sku)
	somebody, _ := customer(t)
	claim := shop.Request{Method: http.MethodPost, Path: "/api/v1/carts/" + cart.ID + "/claim", Header: map[string]string{"If-Match": cart.ETag}}
	require.Equal(t, http.StatusUnauthorized, refused(t, c, claim, "").Status)
	a, err := somebody.Do(ctx, claim)
	require.NoError(t, err)
	var claimed shop.Cart
	require.NoError(t, a.Decode(&claimed))
	mine, err := somebody.Cart(ctx, "mine")
	require.NoError(t, err)
	require.Equal(t, claimed.ID, mine.ID)
	require.Len(t, mine.Items, 1)
	require.Equal(t, sku, mine.Items[0].SKU)
	_, err = c.SetItem(ctx, cart, sku, 2)
	problem(t, err, http.StatusNotFound, "not-found")
}
