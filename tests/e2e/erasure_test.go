package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/tests/api"
)

// told is an order with the words that tell of its buyer.
type told struct {
	api.Order
	words []string
}

// tellAll has a buyer say much about themselves: address, reasons. The order is shipped and partly on its way back.
func tellAll(t *testing.T, buyer, boss *api.Client, sku string) (b told) {
	t.Helper()
	ctx := t.Context()
	cart, err := buyer.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	p := api.NewPlacement(cart, api.Visa)
	p.ShippingAddress.Line1 = api.NewKey() + " Street"
	a, err := buyer.Place(ctx, api.NewKey(), p)
	require.NoError(t, err)
	require.NoError(t, a.Decode(&b.Order))
	reason := "I am " + api.NewKey()
	_, err = boss.Fulfil(ctx, b.ID, api.NewKey(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	back, err := buyer.Do(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/orders/" + b.ID + "/returns", Header: map[string]string{"X-Order-Token": b.AccessToken},
		Body: map[string]any{"lines": []api.Item{{SKU: sku, Quantity: 1}}, "reason": reason}})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, back.Status, "%s", back.Body)
	require.Contains(t, string(back.Body), reason)
	b.words = []string{p.Email, p.ShippingAddress.Line1, reason}
	return b
}

// Of a customer whose account is deleted, orders keep what the law wants. Where the shop keeps things, neither their
// nor a guest's address was ever to be read; and a guest and another customer get their mails.
func TestADeletedCustomersOrders(t *testing.T) {
	c, ctx := guest(t), t.Context()
	boss, sku := staff(t), stocked(t, 5)
	email, password := api.NewEmail(), api.NewKey()
	_, err := c.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	session, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	ada := c.As(session.AccessToken)
	gone, stays := tellAll(t, ada, boss, sku), tellAll(t, c, boss, sku)
	other, _ := customer(t)
	others := tellAll(t, other, boss, sku)
	for _, b := range []told{gone, stays, others} {
		letter := confirmation(t, theShop.MailDir(), b.Email, b.Number)
		require.Contains(t, letter.text, b.words[1])
		require.Equal(t, b.AccessToken != "", strings.Contains(letter.text, "#token="+b.AccessToken) && b.AccessToken != "")
	}
	read := func(t require.TestingT, id string) (o api.Order, reasons int) {
		a, err := boss.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/orders/" + id})
		require.NoError(t, err)
		require.NoError(t, a.Decode(&o))
		events, err := boss.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/orders/" + id + "/events"})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, events.Status)
		require.NotContains(t, string(events.Body), gone.Email)
		return o, strings.Count(string(a.Body)+string(events.Body), gone.words[2])
	}
	o, reasons := read(t, gone.ID)
	require.Equal(t, gone.Email, o.Email)
	require.Equal(t, 2, reasons, "in the order and in its history")

	a, err := ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me"})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		o, reasons = read(collect, gone.ID)
		require.Empty(collect, o.Email)
	}, soon, tick)
	require.Zero(t, reasons)
	require.Equal(t, gone.words[1], o.ShippingAddress.Line1, "the law wants it kept")
	require.Equal(t, gone.Total, o.Total)
	o, _ = read(t, stays.ID)
	require.Equal(t, stays.Email, o.Email)
	_, err = inside[struct{}](t, theShop, http.MethodPost, "orders", "/internal/erasures/orders/"+stays.ID) // as an operator
	require.NoError(t, err)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		o, _ = read(collect, stays.ID)
		require.Empty(collect, o.Email)
	}, soon, tick)
	audited(t, theShop)

	words := slices.Concat(gone.words, stays.words, others.words)
	if s, local := theShop.(here); local { // another machine's files are its own
		keepsNone(t, s, gone.Number, words...)
	}
}

// keepsNone demands that nothing that the shop has written has any of the words, but for the mails that it has sent;
// but that it has a word of which it is known, so that the search would find one.
func keepsNone(t *testing.T, s here, known string, words ...string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(s.RunDir(), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path == s.MailDir():
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if has(content, known) {
			found++
		}
		for _, word := range words {
			assert.False(t, has(content, word), "%s is in %s", word, path)
		}
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, found, "%s is not found either", known)
}

// has looks for a word as it is, and as a part of something in base64, which is how Dapr has SQLite keep a value.
func has(content []byte, word string) bool {
	if bytes.Contains(content, []byte(word)) {
		return true
	}
	for before := range 3 { // so many bytes of the same group of three come before the word
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, before), word...))
		whole := encoded[(before*8+5)/6 : (before+len(word))*8/6]
		if bytes.Contains(content, []byte(whole)) {
			return true
		}
	}
	return false
}

// A deletion while orders is away is carried out when it is back, and again when it has lost its place.
func TestADeletionIsCarriedOutLater(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, stop, err := options(ctx, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(stop)
	o.SkipBuild = true
	s, err := launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	c := newClient(here{s})
	boss, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	sku := importStock(t, boss, 5)
	ada, user, err := c.AsNewCustomer(ctx)
	require.NoError(t, err)
	gone := tellAll(t, ada, boss, sku)
	confirmation(t, s.MailDir(), gone.Email, gone.Number)
	email := func() string {
		o, err := boss.Order(ctx, gone.ID, "")
		require.NoError(t, err)
		return o.Email
	}
	ready := func() {
		t.Helper()
		wait, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		require.NoError(t, s.Ready(wait))
	}
	require.Equal(t, gone.Email, email())
	require.NoError(t, s.Kill("orders"))
	a, err := ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me"})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status)
	require.NoError(t, s.Restart("orders"))
	ready()
	require.Eventually(t, func() bool { return email() == "" }, soon, tick)
	for _, victim := range []string{"orders", "users"} {
		require.NoError(t, s.Kill(victim))
		require.NoError(t, s.Restart(victim))
		ready()
		require.Empty(t, email(), fmt.Sprintf("after %s was killed", victim))
	}
	audited(t, here{s})
	require.NoError(t, s.Stop(ctx))
	words := gone.words
	if o.State == "sqlite" { // which, once stopped, has no log of its own left; those of servers fade by themselves
		words = append(words, user.Email)
	}
	keepsNone(t, here{s}, gone.Number, words...)
}
