package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	require.EventuallyWithT(t, func(collect *assert.CollectT) { // the payment is captured first, which may take longer
		shipped, err := admin.Order(ctx, o.ID, "")
		require.NoError(collect, err)
		require.NotEqual(collect, "confirmed", shipped.Status)
	}, timeout, interval)
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
	user, err := c.Register(ctx, email, password, "Ada "+api.NewKey())
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
		if s, local := sharedShop.(localShop); local {
			require.Contains(t, mail.text, fmt.Sprintf("http://localhost:%d/orders/%s", s.State().GatewayPort, o.ID))
		}
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
	stored := storePersonalData(t, ada, user.ID, sku)

	a, err := ada.Do(ctx, api.Request{Method: http.MethodDelete, Path: "/api/v1/me",
		Body: map[string]string{"password": password}})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status)
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		o, reasons = read(collect, deleted.ID)
		require.Empty(collect, o.Email)
		require.Zero(collect, reasons, "another replica may use the key for another second")
	}, timeout, interval)
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
		requireErased(t, s, deleted.Number, append(stored, email, user.Name))
	}
}

// storePersonalData gives a customer's account and cart an address. It returns what the stores have of the customer and
// must not have after a deletion: these addresses, the hash of the password, and the key of the contact.
func storePersonalData(t *testing.T, customer *api.Client, id, sku string) []string {
	t.Helper()
	ctx, home, shipping := t.Context(), api.Home, api.Home
	home.Line1, shipping.Line1 = api.NewKey()+" Road", api.NewKey()+" Lane"
	a, err := customer.Do(ctx, api.Request{Method: http.MethodPost, Path: "/api/v1/me/addresses", Body: home})
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	cart, err := customer.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	_, err = customer.SetShipping(ctx, cart, shipping, "")
	require.NoError(t, err)
	words := []string{home.Line1, shipping.Line1}
	if _, local := sharedShop.(localShop); !local { // and so are its files, in which to search
		return words
	}
	var account struct{ PasswordHash string }
	readDocument(t, sharedShop, "users", "user/"+id, &account)
	var vault struct{ Keys []string }
	readDocument(t, sharedShop, "orders", "contact/"+id, &vault)
	require.NotEmpty(t, account.PasswordHash)
	require.Len(t, vault.Keys, 1)
	return append(words, account.PasswordHash, vault.Keys[0])
}

// readDocument reads a document from the store of an app, as only the app can.
func readDocument(t *testing.T, s shop, app, key string, doc any) {
	t.Helper()
	a, err := sidecarClient(s, app).Do(t.Context(), api.Request{
		Method: http.MethodGet, Path: "/v1.0/state/state/" + url.PathEscape(key),
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, "%s", a.Body)
	require.NoError(t, json.Unmarshal(a.Body, doc))
}

// requireErased requires that soon no file of the shop has one of the words, except the mails: neither a store nor its
// write-ahead log.
func requireErased(t *testing.T, s localShop, known string, words []string) {
	t.Helper()
	if s.State().Choices["STATE"] != "sqlite" {
		return // servers keep their logs for some time: docs/privacy.md
	}
	var encoded [][]byte
	for _, word := range words {
		encoded = append(encoded, encodings(word)...)
	}
	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		found := false
		s.eachFile(collect, func(path string, content []byte) {
			found = found || containsWord(content, known)
			for i, word := range encoded {
				if bytes.Contains(content, word) {
					collect.Errorf("%s: word %d of %d", path, i+1, len(encoded))
				}
			}
		})
		require.True(collect, found, "the search does not find %s, which is stored", known)
	}, timeout, time.Second)
}

// encodings returns what a file contains that has a word: the word itself, its base64, and, if the word is base64, what
// it encodes, raw and in hexadecimal digits.
func encodings(word string) [][]byte {
	list := append(base64Parts(word), []byte(word))
	if raw, err := base64.StdEncoding.DecodeString(word); err == nil {
		list = append(list, raw, []byte(hex.EncodeToString(raw)))
	}
	return list
}

// requireNotStored requires that no file of the shop has one of the words, except the mails. A file must have the word
// known, which shows that the search finds words.
func requireNotStored(t *testing.T, s localShop, known string, words ...string) {
	t.Helper()
	found := 0
	s.eachFile(t, func(path string, content []byte) {
		if containsWord(content, known) {
			found++
		}
		for _, word := range words {
			assert.False(t, containsWord(content, word), "%s is in %s", word, path)
		}
	})
	require.Positive(t, found, "the search does not find %s, which is stored", known)
}

// eachFile calls visit with each file of the shop, except the mails. A file may disappear meanwhile.
func (s localShop) eachFile(t require.TestingT, visit func(path string, content []byte)) {
	err := filepath.WalkDir(s.RunDir(), func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && path == s.MailDir():
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			visit(path, content)
		}
		return err
	})
	require.NoError(t, err)
}

// containsWord finds a word in plain text and as a part of a text in base64, in which Dapr stores values in SQLite.
func containsWord(content []byte, word string) bool {
	return slices.ContainsFunc(append(base64Parts(word), []byte(word)), func(part []byte) bool {
		return bytes.Contains(content, part)
	})
}

// base64Parts returns the letters that a text in base64 has if the text that it encodes has the word: one for each
// place of the word in its first group of three bytes.
func base64Parts(word string) (parts [][]byte) {
	for before := range 3 {
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, before), word...))
		parts = append(parts, []byte(encoded[(before*8+5)/6:(before+len(word))*8/6]))
	}
	return parts
}

// An account that is deleted while orders is dead is erased from orders after its restart, and stays erased after more
// restarts.
func TestDeletionIsCompletedAfterAnOutage(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, _, _ := startOwnShop(t, nil)
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
	for _, victim := range []string{"orders", "users", "users-daprd"} {
		require.NoError(t, s.Kill(victim))
		require.NoError(t, s.Restart(victim))
		ready()
		require.Empty(t, email(), fmt.Sprintf("after %s was killed", victim))
	}
	requireDocumentsMatchLogs(t, localShop{s})
	requireErased(t, localShop{s}, deleted.Number, []string{user.Email})
	require.NoError(t, s.Stop(ctx))
	requireErased(t, localShop{s}, deleted.Number, []string{user.Email})
	requireNotStored(t, localShop{s}, deleted.Number, deleted.words...)
}
