package service

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

// userDeleted is the event of the users log at a position that deletes a user.
func userDeleted(position uint64, data string) contract.Event {
	return contract.Event{ID: contract.EventID("users", "users", position, 0), Type: contract.UserDeleted, Source: "users",
		Partition: "users", Position: position, Data: json.RawMessage(data)}
}

// deleteUser publishes an event of the users log.
func (f *fixture) deleteUser(position uint64, user string) {
	f.t.Helper()
	event := userDeleted(position, fmt.Sprintf(`{"userId":%q}`, user))
	message, err := json.Marshal(event)
	require.NoError(f.t, err)
	require.NoError(f.t, f.mesh.Publish(f.t.Context(), contract.TopicUsers,
		[]sidecar.Message{{ID: event.ID, Data: message}}))
}

// waitForErasure waits until this replica cannot read the order's contact any more: another one may have received the
// event.
func (f *fixture) waitForErasure(id string) {
	f.t.Helper()
	require.Eventually(f.t, func() bool { return f.contacts(id).Contacts[0].Erased }, timeout, tick)
}

// keysContaining lists the keys of the store whose values contain a word.
func (f *fixture) keysContaining(word string) (keys []string) {
	for key, value := range f.state.All() {
		if strings.Contains(value, word) {
			keys = append(keys, key)
		}
	}
	return keys
}

// personalData is what an order shows of its buyer.
type personalData struct {
	Email           string
	ShippingAddress contract.Address
	Returns         []struct{ Reason string }
}

func (f *fixture) readPersonalData(id string) (data personalData) {
	f.t.Helper()
	rec := f.do(http.MethodGet, "/api/v1/orders/"+id, nil, staff...)
	f.requireStatus(rec, http.StatusOK)
	require.NoError(f.t, json.Unmarshal(rec.Body.Bytes(), &data))
	return data
}

func (f *fixture) history(id string) string {
	f.t.Helper()
	rec := f.do(http.MethodGet, "/api/v1/orders/"+id+"/events", nil, staff...)
	f.requireStatus(rec, http.StatusOK)
	return rec.Body.String()
}

func (f *fixture) contacts(ids ...string) (reply contract.ContactsReply) {
	f.t.Helper()
	rec := f.do(http.MethodPost, "/internal/contacts", contract.ContactsRequest{OrderIDs: ids})
	f.requireStatus(rec, http.StatusOK)
	require.NoError(f.t, json.Unmarshal(rec.Body.Bytes(), &reply))
	require.Len(f.t, reply.Contacts, len(ids))
	return reply
}

// The watcher learns what happened to the money of an order, and nothing about the buyer.
func TestHistoriesHaveOnlyAmounts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	id := f.buy().ID
	rec := f.do(http.MethodPost, "/internal/histories", contract.HistoriesRequest{OrderIDs: []string{id, "unknown"}})
	f.requireStatus(rec, http.StatusOK)
	var reply contract.HistoriesReply
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &reply))
	total := f.order(id).Total.Amount
	require.Equal(t, []contract.History{
		{OrderID: id, Events: []contract.HistoryEvent{
			{Seq: 1, Type: contract.OrderPlaced, Published: true},
			{Seq: 2, Type: "payment.requested"},
			{Seq: 3, Type: contract.PaymentAuthorized, Amount: total},
			{Seq: 4, Type: contract.OrderConfirmed, Published: true},
		}},
		{OrderID: "unknown", Events: []contract.HistoryEvent{}},
	}, reply.Histories)
	f.requireStatus(f.do(http.MethodPost, "/internal/histories", contract.HistoriesRequest{
		OrderIDs: make([]string, 51)}), http.StatusUnprocessableEntity)
}

// requireUnpublished requires that the published events contain none of the words.
func (f *fixture) requireUnpublished(words ...string) {
	f.t.Helper()
	page, err := f.log.Feed(f.t.Context(), 1, 1000)
	require.NoError(f.t, err)
	require.NotEmpty(f.t, page.Events)
	text, err := json.Marshal(page)
	require.NoError(f.t, err)
	for _, word := range words {
		assert.NotContains(f.t, string(text), word)
	}
}

// Mails to one mailbox are counted together, and nobody learns the address from what they are counted by.
func TestContactsIdentifyTheMailbox(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	var ids []string
	for i, email := range []string{"ada@example.com", "Ada+1@EXAMPLE.com", "eve@example.com"} {
		body := placementBody(fmt.Sprint("cart", i), "tok_visa")
		body["email"] = email
		rec := f.do(http.MethodPost, "/api/v1/orders", body, "Idempotency-Key", "k")
		f.requireStatus(rec, http.StatusCreated)
		ids = append(ids, read(t, rec).ID)
	}
	contacts := f.contacts(ids...).Contacts
	assert.Equal(t, contacts[0].Mailbox, contacts[1].Mailbox)
	assert.NotEqual(t, contacts[0].Mailbox, contacts[2].Mailbox)
	assert.Regexp(t, "^[a-z2-7]{32}$", contacts[0].Mailbox)
	assert.Equal(t, "Ada+1@EXAMPLE.com", contacts[1].Email)
}

// Personal data is stored only in sealed form. Readers who may see it do see it, until the customer's account is
// deleted. Then only the address on the invoice can be read, which the law wants kept.
func TestADeletedCustomerCannotBeReadAnyMore(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 10)
	sent, cancelled := f.buy(), f.buy()
	guest := read(t, f.place("guest", "c", "tok_visa"))
	other := read(t, f.place("k", "c", "tok_visa", "Test-User", "bob"))
	path := "/api/v1/orders/" + sent.ID
	f.requireStatus(f.do(http.MethodPost, "/api/v1/orders/"+cancelled.ID+"/cancel",
		map[string]any{"reason": "going to Lovelace"}, ada...), http.StatusOK)
	f.requireStatus(f.do(http.MethodPost, path+"/fulfilments", parcelOf(1), staff...), http.StatusCreated)
	refund := map[string]any{"amount": money.New(1, "EUR"), "reason": "friend of Babbage"}
	f.requireStatus(f.do(http.MethodPost, path+"/refunds", refund, withKey("r", staff)...), http.StatusCreated)
	back := map[string]any{"lines": []contract.Line{{SKU: "HAT", Quantity: 1}}, "reason": "my head is small"}
	rec := f.do(http.MethodPost, path+"/returns", back, withKey("b", ada)...)
	f.requireStatus(rec, http.StatusCreated)
	assert.Contains(t, rec.Body.String(), "my head is small")
	words := []string{"ada@example.com", "1 Street", "Lovelace", "Babbage", "my head"}
	check := func(readable bool) {
		t.Helper()
		for _, word := range words {
			assert.Empty(t, f.keysContaining(word), word)
		}
		f.requireUnpublished(words...)
		email, reason := "", ""
		if readable {
			email, reason = "ada@example.com", "my head is small"
		}
		for _, id := range []string{sent.ID, cancelled.ID} {
			assert.Equal(t, email, f.readPersonalData(id).Email)
			assert.Equal(t, "1 Street", f.readPersonalData(id).ShippingAddress.Line1, "the law wants it kept")
			assert.NotContains(t, f.history(id), "ada@example.com")
		}
		assert.Equal(t, reason, f.readPersonalData(sent.ID).Returns[0].Reason)
		assert.Equal(t, readable, strings.Contains(f.history(sent.ID), "my head is small"))
		assert.Equal(t, readable, strings.Contains(f.history(sent.ID), "friend of Babbage"))
		assert.Equal(t, readable, strings.Contains(f.history(cancelled.ID), "going to Lovelace"))
		list := f.do(http.MethodGet, "/api/v1/orders?customer=ada", nil, staff...)
		assert.Equal(t, readable, strings.Contains(list.Body.String(), "ada@example.com"), list.Body)
		for i, c := range f.contacts(sent.ID, guest.ID, cancelled.ID, other.ID).Contacts {
			switch i {
			case 0, 2:
				assert.Equal(t, !readable, c.Erased)
				assert.Equal(t, email, c.Email)
				assert.Empty(t, c.AccessToken)
			case 1:
				assert.Equal(t, guest.AccessToken, c.AccessToken)
				fallthrough
			default:
				assert.Equal(t, "ada@example.com", c.Email)
				assert.Equal(t, "1 Street", c.ShippingAddress.Line1)
			}
		}
	}
	check(true)
	f.start() // another replica, later
	check(true)

	f.deleteUser(1, "ada")
	f.waitForErasure(sent.ID)
	check(false)
	f.deleteUser(1, "ada")
	f.deleteUser(2, "nobody")
	f.start()
	check(false)
	f.deleteUser(3, "ada")
	check(false)

	again := f.place("buy0", "c", "tok_visa", ada...)
	assert.Equal(t, sent.ID, read(t, again).ID, "an order that was placed before is still found")
	refused := f.place("new", "c", "tok_visa", ada...)
	f.requireStatus(refused, http.StatusUnauthorized)
	assert.Contains(t, refused.Body.String(), "/invalid-token")
	f.requireStatus(f.do(http.MethodPost, "/api/v1/orders/"+other.ID+"/cancel", map[string]any{"reason": "hm"},
		"Test-User", "bob"), http.StatusOK)
	assert.Contains(t, f.history(other.ID), `"reason":"hm"`)
	more := map[string]any{"amount": money.New(1, "EUR"), "reason": "said Ada"}
	f.requireStatus(f.do(http.MethodPost, path+"/refunds", more, withKey("s", staff)...), http.StatusCreated)
	assert.NotContains(t, f.history(sent.ID), "said Ada", "nothing more is stored about a deleted customer")
	found, err := f.log.Audit(t.Context())
	require.NoError(t, err)
	assert.Zero(t, found.Wrong, found.Differences)
	assert.Positive(t, found.Documents)
}

// An order that is placed while its customer's account is being deleted is refused, or its personal data cannot be
// read.
func TestOrdersThatRaceWithADeletion(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 100)
	release := make(chan struct{})
	var work sync.WaitGroup
	var mu sync.Mutex
	var placed []string
	for i := range 40 {
		work.Go(func() {
			<-release
			rec := f.place(fmt.Sprint(i), fmt.Sprint("cart", i), "tok_visa", ada...)
			if rec.Code != http.StatusUnauthorized && assert.Equal(t, http.StatusCreated, rec.Code, rec.Body.String()) {
				mu.Lock()
				placed = append(placed, read(t, rec).ID)
				mu.Unlock()
			}
		})
	}
	work.Go(func() { <-release; f.deleteUser(1, "ada") })
	close(release)
	work.Wait()
	f.start()
	for _, id := range placed {
		assert.Empty(t, f.readPersonalData(id).Email)
	}
	f.requireStatus(f.place("after", "c", "tok_visa", ada...), http.StatusUnauthorized)
}

func TestDeletionIsRetriedWhenTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	store := &watchedStore{State: f.state}
	f.wrapStore = func(sidecar.State) sidecar.State { return store }
	f.start()
	v := f.buy()
	deliver := func(e contract.Event) sidecar.Outcome {
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		deliveries := []sidecar.Delivery{{ID: e.ID, Topic: contract.TopicUsers, Data: raw}}
		return f.service.consumer.Deliver(t.Context(), deliveries)[0]
	}
	store.fail("contact/", true)
	assert.Equal(t, sidecar.Retry, deliver(userDeleted(1, `{"userId":"ada"}`)))
	store.fail("contact/", false)
	assert.Equal(t, "ada@example.com", f.readPersonalData(v.ID).Email)
	assert.Equal(t, sidecar.Done, deliver(userDeleted(1, `{"userId":"ada"}`)))
	assert.Empty(t, f.readPersonalData(v.ID).Email)
	assert.Equal(t, sidecar.Done, deliver(userDeleted(2, `{"userId":7}`)))
	assert.Len(t, f.keysContaining("the event's data is not that of a user"), 1, "it is a dead letter")
}

// Old orders have their personal data in the clear. What is written about them now is sealed.
func TestOrderFromBeforeSealingIsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	fact := json.RawMessage(`{"orderId":"old","number":"H1","customer":"ada","email":"old@example.com",
		"cartId":"c","lines":[],"total":{"amount":0,"currency":"EUR"},
		"shippingAddress":{"name":"Ada","line1":"2 Street","city":"B","postalCode":"1","country":"DE"}}`)
	_, err := f.log.Do(t.Context(), []string{"order/old"}, func(tx *commitlog.Tx[order.State]) error {
		tx.Emit("order/old", contract.OrderPlaced, fact)
		tx.Emit("order/old", contract.OrderConfirmed, fact)
		return nil
	})
	require.NoError(t, err)
	f.start()
	assert.Equal(t, "old@example.com", f.readPersonalData("old").Email)
	assert.Equal(t, "2 Street", f.readPersonalData("old").ShippingAddress.Line1)
	assert.NotContains(t, f.history("old"), "old@example.com")
	assert.Equal(t, "old@example.com", f.contacts("old").Contacts[0].Email)
	f.requireStatus(f.do(http.MethodPost, "/api/v1/orders/old/cancel", map[string]any{"reason": "going to Lovelace"},
		ada...), http.StatusOK)
	assert.Empty(t, f.keysContaining("Lovelace"))
	assert.Contains(t, f.history("old"), "going to Lovelace")
	f.deleteUser(1, "ada")
	assert.Eventually(t, func() bool { return !strings.Contains(f.history("old"), "Lovelace") }, timeout, tick)
}

func TestContactsAreReadOnlyOfKnownOrders(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	v := f.buy()
	status := func(ids ...string) int {
		return f.do(http.MethodPost, "/internal/contacts", contract.ContactsRequest{OrderIDs: ids}).Code
	}
	assert.Equal(t, http.StatusNotFound, status(v.ID, "unknown"))
	assert.Equal(t, http.StatusUnprocessableEntity, status())
	assert.Equal(t, http.StatusUnprocessableEntity, status(make([]string, 51)...))
	many := make([]string, 50)
	for i := range many {
		many[i] = v.ID
	}
	assert.Len(t, f.contacts(many...).Contacts, 50)
}
