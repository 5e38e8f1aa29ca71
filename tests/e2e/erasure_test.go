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

// personalOrder is an order with the personal data of its buyer: e-mail address, street, and reason of a return.
type personalOrder struct {
	api.Order
	words []string
}

// orderWithPersonalData places and ships an order, and requests its return.
func orderWithPersonalData(t *testing.T, buyer, admin *api.Client, sku string) (o personalOrder) {
	t.Helper()
	ctx := t.Context()
	cart, err := buyer.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	p := api.NewPlacement(cart, api.Visa)
	p.ShippingAddress.Line1 = api.NewKey() + " Street"
	a, err := buyer.Place(ctx, api.NewKey(), p)
	require.NoError(t, err)
	require.NoError(t, a.Decode(&o.Order))
	reason := "I am " + api.NewKey()
	_, err = admin.Fulfil(ctx, o.ID, api.NewKey(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	returned, err := buyer.Do(ctx, api.Request{
		Method: http.MethodPost, Path: "/api/v1/orders/" + o.ID + "/returns",
		Header: map[string]string{"X-Order-Token": o.AccessToken},
		Body:   map[string]any{"lines": []api.Item{{SKU: sku, Quantity: 1}}, "reason": reason},
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, returned.Status, "%s", returned.Body)
	require.Contains(t, string(returned.Body), reason)
	o.words = []string{p.Email, p.ShippingAddress.Line1, reason}
	return o
}

// After a customer has deleted the account, the orders have only the data that the law requires. An operator can erase
// a guest's order too. The files of the shop never have personal data in plain text, whether it is erased or not.
func TestPersonalDataOfADeletedCustomerIsErased(t *testing.T) {
	c, ctx := guest(t), t.Context()
	admin, sku := staff(t), importProduct(t, 5)
	email, password := api.NewEmail(), api.NewKey()
	_, err := c.Register(ctx, email, password, "Ada Byron")
	require.NoError(t, err)
	session, err := c.Login(ctx, email, password)
	require.NoError(t, err)
	ada := c.As(session.AccessToken)
	deleted, guests := orderWithPersonalData(t, ada, admin, sku), orderWithPersonalData(t, c, admin, sku)
	other, _ := customer(t)
	others := orderWithPersonalData(t, other, admin, sku)
	for _, o := range []personalOrder{deleted, guests, others} {
		mail := confirmation(t, sharedShop.MailDir(), o.Email, o.Number)
		require.Contains(t, mail.text, o.words[1])
		hasToken := o.AccessToken != "" && strings.Contains(mail.text, "#token="+o.AccessToken)
		require.Equal(t, o.AccessToken != "", hasToken)
	}
	read := func(t require.TestingT, id string) (o api.Order, reasons int) {
		a, err := admin.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/orders/" + id})
		require.NoError(t, err)
		require.NoError(t, a.Decode(&o))
		events, err := admin.Do(ctx, api.Request{Method: http.MethodGet, Path: "/api/v1/orders/" + id + "/events"})
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, events.Status)
		require.NotContains(t, string(events.Body), deleted.Email)
		return o, strings.Count(string(a.Body)+string(events.Body), deleted.words[2])
	}
	o, reasons := read(t, deleted.ID)
	require.Equal(t, deleted.Email, o.Email)
	require.Equal(t, 2, reasons, "in the order and in its history")

	a, err := ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me",
		Body: map[string]string{"password": password}})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		o, reasons = read(collect, deleted.ID)
		require.Empty(collect, o.Email)
	}, timeout, interval)
	require.Zero(t, reasons)
	require.Equal(t, deleted.words[1], o.ShippingAddress.Line1, "the law requires it")
	require.Equal(t, deleted.Total, o.Total)
	o, _ = read(t, guests.ID)
	require.Equal(t, guests.Email, o.Email)
	erasure := "/internal/erasures/orders/" + guests.ID // make erase
	_, err = callInternal[struct{}](t, sharedShop, http.MethodPost, "orders", erasure)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		o, _ = read(collect, guests.ID)
		require.Empty(collect, o.Email)
	}, timeout, interval)
	requireDocumentsMatchLogs(t, sharedShop)

	words := slices.Concat(deleted.words, guests.words, others.words)
	if s, local := sharedShop.(localShop); local { // the files of a remote shop are on another machine
		requireNotStored(t, s, deleted.Number, words...)
	}
}

// requireNotStored requires that no file of the shop has one of the words, except the mails. A file must have the word
// known, which shows that the search finds words.
func requireNotStored(t *testing.T, s localShop, known string, words ...string) {
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
		if containsWord(content, known) {
			found++
		}
		for _, word := range words {
			assert.False(t, containsWord(content, word), "%s is in %s", word, path)
		}
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, found, "the search does not find %s, which is stored", known)
}

// containsWord finds a word in plain text and as a part of a text in base64, in which Dapr stores values in SQLite.
func containsWord(content []byte, word string) bool {
	if bytes.Contains(content, []byte(word)) {
		return true
	}
	for before := range 3 { // base64 encodes groups of three bytes: so many come before the word in its first group
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, before), word...))
		whole := encoded[(before*8+5)/6 : (before+len(word))*8/6]
		if bytes.Contains(content, []byte(whole)) {
			return true
		}
	}
	return false
}

// An account that is deleted while orders is dead is erased from orders after its restart, and stays erased after more
// restarts.
func TestDeletionIsCompletedAfterAnOutage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o, _, stop, err := options(ctx, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(stop)
	o.SkipBuild = true
	s, err := launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	c := newClient(localShop{s})
	admin, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	sku := importProductAs(t, admin, 5)
	address, password := api.NewEmail(), api.NewKey()
	user, err := c.Register(ctx, address, password, "Ada Byron")
	require.NoError(t, err)
	session, err := c.Login(ctx, address, password)
	require.NoError(t, err)
	ada := c.As(session.AccessToken)
	deleted := orderWithPersonalData(t, ada, admin, sku)
	confirmation(t, s.MailDir(), deleted.Email, deleted.Number)
	email := func() string {
		o, err := admin.Order(ctx, deleted.ID, "")
		require.NoError(t, err)
		return o.Email
	}
	ready := func() {
		t.Helper()
		wait, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		require.NoError(t, s.Ready(wait))
	}
	require.Equal(t, deleted.Email, email())
	require.NoError(t, s.Kill("orders"))
	a, err := ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me",
		Body: map[string]string{"password": password}})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status)
	require.NoError(t, s.Restart("orders"))
	ready()
	require.Eventually(t, func() bool { return email() == "" }, timeout, interval)
	for _, victim := range []string{"orders", "users"} {
		require.NoError(t, s.Kill(victim))
		require.NoError(t, s.Restart(victim))
		ready()
		require.Empty(t, email(), fmt.Sprintf("after %s was killed", victim))
	}
	requireDocumentsMatchLogs(t, localShop{s})
	require.NoError(t, s.Stop(ctx))
	words := deleted.words
	if o.State == "sqlite" { // a stopped SQLite has no write-ahead log; the servers keep theirs for some time
		words = append(words, user.Email)
	}
	requireNotStored(t, localShop{s}, deleted.Number, words...)
}
