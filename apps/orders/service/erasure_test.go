package service_test

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

// tell publishes an event of the users log.
func (w *world) tell(n uint64, data any) {
	w.t.Helper()
	raw, err := json.Marshal(data)
	require.NoError(w.t, err)
	event := contract.Event{ID: contract.EventID("users", "users", n, 0), Type: contract.UserDeleted, Source: "users", Partition: "users", Position: n, Data: raw}
	message, err := json.Marshal(event)
	require.NoError(w.t, err)
	require.NoError(w.t, w.mesh.Publish(w.t.Context(), contract.TopicUsers, []sidecar.Message{{ID: event.ID, Data: message}}))
}

// forgets waits until this replica, too, cannot read the order's contact: it may be another one that was told.
func (w *world) forgets(id string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.contacts(id).Contacts[0].Erased }, soon, tick)
}

// traces lists the keys under which a word is kept.
func (w *world) traces(word string) (keys []string) {
	for key, value := range w.state.All() {
		if strings.Contains(value, word) {
			keys = append(keys, key)
		}
	}
	return keys
}

// shows is what an order shows of who is behind it.
type shows struct {
	Email           string
	ShippingAddress contract.Address
	Returns         []struct{ Reason string }
}

func (w *world) shows(id string) (s shows) {
	w.t.Helper()
	rec := w.do(http.MethodGet, "/api/v1/orders/"+id, nil, boss...)
	require.Equal(w.t, http.StatusOK, rec.Code, rec.Body.String())
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &s))
	return s
}

func (w *world) history(id string) string {
	w.t.Helper()
	rec := w.do(http.MethodGet, "/api/v1/orders/"+id+"/events", nil, boss...)
	require.Equal(w.t, http.StatusOK, rec.Code, rec.Body.String())
	return rec.Body.String()
}

func (w *world) contacts(ids ...string) (reply contract.ContactsReply) {
	w.t.Helper()
	rec := w.do(http.MethodPost, "/internal/contacts", contract.ContactsRequest{OrderIDs: ids})
	require.Equal(w.t, http.StatusOK, rec.Code, rec.Body.String())
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &reply))
	require.Len(w.t, reply.Contacts, len(ids))
	return reply
}

// publishes demands that what others hear of the log has none of the words.
func (w *world) publishes(words ...string) {
	w.t.Helper()
	page, err := w.log.Feed(w.t.Context(), 1, 1000)
	require.NoError(w.t, err)
	require.NotEmpty(w.t, page.Events)
	text, err := json.Marshal(page)
	require.NoError(w.t, err)
	for _, word := range words {
		assert.NotContains(w.t, string(text), word)
	}
}

func (w *world) ok(rec interface{ Result() *http.Response }, status int) {
	w.t.Helper()
	require.Equal(w.t, status, rec.Result().StatusCode)
}

// What tells of a person is nowhere in the clear, who may see it does, and once the customer's account is deleted
// nobody does, but for what the law wants kept.
func TestADeletedCustomerCannotBeReadAnyMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 10)
	sent, cancelled := w.buy(), w.buy()
	guest := read(t, w.place("guest", "c", "tok_visa"))
	other := read(t, w.place("k", "c", "tok_visa", "Test-User", "bob"))
	ada := []string{"Test-User", "ada"}
	path := "/api/v1/orders/" + sent.ID
	w.ok(w.do(http.MethodPost, "/api/v1/orders/"+cancelled.ID+"/cancel", map[string]any{"reason": "going to Lovelace"}, ada...), http.StatusOK)
	w.ok(w.do(http.MethodPost, path+"/fulfilments", parcel(1), boss...), http.StatusCreated)
	w.ok(w.do(http.MethodPost, path+"/refunds", map[string]any{"amount": money.New(1, "EUR"), "reason": "friend of Babbage"}, append([]string{"Idempotency-Key", "r"}, boss...)...), http.StatusCreated)
	back := map[string]any{"lines": []contract.Line{{SKU: "HAT", Quantity: 1}}, "reason": "my head is small"}
	rec := w.do(http.MethodPost, path+"/returns", back, append([]string{"Idempotency-Key", "b"}, ada...)...)
	w.ok(rec, http.StatusCreated)
	assert.Contains(t, rec.Body.String(), "my head is small")
	words := []string{"ada@example.com", "1 Street", "Lovelace", "Babbage", "my head"}
	check := func(readable bool) {
		t.Helper()
		for _, word := range words {
			assert.Empty(t, w.traces(word), word)
		}
		w.publishes(words...)
		email, reason := "", ""
		if readable {
			email, reason = "ada@example.com", "my head is small"
		}
		for _, id := range []string{sent.ID, cancelled.ID} {
			assert.Equal(t, email, w.shows(id).Email)
			assert.Equal(t, "1 Street", w.shows(id).ShippingAddress.Line1, "the law wants it kept")
			assert.NotContains(t, w.history(id), "ada@example.com")
		}
		assert.Equal(t, reason, w.shows(sent.ID).Returns[0].Reason)
		assert.Equal(t, readable, strings.Contains(w.history(sent.ID), "my head is small"))
		assert.Equal(t, readable, strings.Contains(w.history(sent.ID), "friend of Babbage"))
		assert.Equal(t, readable, strings.Contains(w.history(cancelled.ID), "going to Lovelace"))
		list := w.do(http.MethodGet, "/api/v1/orders?customer=ada", nil, boss...)
		assert.Equal(t, readable, strings.Contains(list.Body.String(), "ada@example.com"), list.Body)
		for i, c := range w.contacts(sent.ID, guest.ID, cancelled.ID, other.ID).Contacts {
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
	w.start() // another replica, later
	check(true)

	w.tell(1, contract.UserFact{UserID: "ada"})
	w.forgets(sent.ID)
	check(false)
	w.tell(1, contract.UserFact{UserID: "ada"})
	w.tell(2, contract.UserFact{UserID: "nobody"})
	w.start()
	check(false)
	w.tell(3, contract.UserFact{UserID: "ada"})
	check(false)

	again := w.place("buy0", "c", "tok_visa", ada...)
	assert.Equal(t, sent.ID, read(t, again).ID, "what was placed stays placed")
	refused := w.place("new", "c", "tok_visa", ada...)
	w.ok(refused, http.StatusUnauthorized)
	assert.Contains(t, refused.Body.String(), "/invalid-token")
	w.ok(w.do(http.MethodPost, "/api/v1/orders/"+other.ID+"/cancel", map[string]any{"reason": "hm"}, "Test-User", "bob"), http.StatusOK)
	assert.Contains(t, w.history(other.ID), `"reason":"hm"`)
	more := map[string]any{"amount": money.New(1, "EUR"), "reason": "said Ada"}
	w.ok(w.do(http.MethodPost, path+"/refunds", more, append([]string{"Idempotency-Key", "s"}, boss...)...), http.StatusCreated)
	assert.NotContains(t, w.history(sent.ID), "said Ada", "of who is deleted nothing new is kept")
	found, err := w.log.Audit(t.Context())
	require.NoError(t, err)
	assert.Zero(t, found.Wrong, found.Differences)
	assert.Positive(t, found.Documents)
}

// An order that is placed while its customer's account is being deleted is refused, or has nothing to read.
func TestOrdersThatRaceWithADeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 100)
	release := make(chan struct{})
	var work sync.WaitGroup
	var mu sync.Mutex
	var placed []string
	for i := range 40 {
		work.Go(func() {
			<-release
			rec := w.place(fmt.Sprint(i), fmt.Sprint("cart", i), "tok_visa", "Test-User", "ada")
			if rec.Code != http.StatusUnauthorized && assert.Equal(t, http.StatusCreated, rec.Code, rec.Body.String()) {
				mu.Lock()
				placed = append(placed, read(t, rec).ID)
				mu.Unlock()
			}
		})
	}
	work.Go(func() { <-release; w.tell(1, contract.UserFact{UserID: "ada"}) })
	close(release)
	work.Wait()
	w.start()
	for _, id := range placed {
		assert.Empty(t, w.shows(id).Email)
	}
	w.ok(w.place("after", "c", "tok_visa", "Test-User", "ada"), http.StatusUnauthorized)
}

// handlers are what the service has subscribed to, by topic.
type handlers map[string]sidecar.Handler

func (h handlers) Subscribe(topic string, handler sidecar.Handler) { h[topic] = handler }

func TestADeletionWaitsForTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	store := &watched{State: w.state}
	w.store = func(sidecar.State) sidecar.State { return store }
	w.start()
	v, topics := w.buy(), handlers{}
	w.service.Listen(topics)
	deliver := func(n uint64, data string) sidecar.Outcome {
		e := contract.Event{ID: fmt.Sprint("users/", n), Type: contract.UserDeleted, Source: "users", Partition: "users", Position: n, Data: json.RawMessage(data)}
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		return topics[contract.TopicUsers](t.Context(), []sidecar.Delivery{{ID: e.ID, Topic: contract.TopicUsers, Data: raw}})[0]
	}
	store.fail("contact/", true)
	assert.Equal(t, sidecar.Retry, deliver(1, `{"userId":"ada"}`))
	store.fail("contact/", false)
	assert.Equal(t, "ada@example.com", w.shows(v.ID).Email)
	assert.Equal(t, sidecar.Done, deliver(1, `{"userId":"ada"}`))
	assert.Empty(t, w.shows(v.ID).Email)
	assert.Equal(t, sidecar.Done, deliver(2, `{"userId":7}`))
	assert.Len(t, w.traces("the user is not understood"), 1, "it is put aside")
}

// An order of the time before contacts were sealed is read as it is; what is said of it now is sealed.
func TestOrdersOfFormerTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	fact := json.RawMessage(`{"orderId":"old","number":"H1","customer":"ada","email":"old@example.com","cartId":"c","lines":[],"total":{"amount":0,"currency":"EUR"},
		"shippingAddress":{"name":"Ada","line1":"2 Street","city":"B","postalCode":"1","country":"DE"}}`)
	_, err := w.log.Do(t.Context(), []string{"order/old"}, func(tx *commitlog.Tx[order.State]) error {
		tx.Emit("order/old", contract.OrderPlaced, fact)
		tx.Emit("order/old", contract.OrderConfirmed, fact)
		return nil
	})
	require.NoError(t, err)
	w.start()
	assert.Equal(t, "old@example.com", w.shows("old").Email)
	assert.Equal(t, "2 Street", w.shows("old").ShippingAddress.Line1)
	assert.NotContains(t, w.history("old"), "old@example.com")
	assert.Equal(t, "old@example.com", w.contacts("old").Contacts[0].Email)
	w.ok(w.do(http.MethodPost, "/api/v1/orders/old/cancel", map[string]any{"reason": "going to Lovelace"}, "Test-User", "ada"), http.StatusOK)
	assert.Empty(t, w.traces("Lovelace"))
	assert.Contains(t, w.history("old"), "going to Lovelace")
	w.tell(1, contract.UserFact{UserID: "ada"})
	assert.Eventually(t, func() bool { return !strings.Contains(w.history("old"), "Lovelace") }, soon, tick)
}

func TestContactsOfOrdersThatAreNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	v := w.buy()
	ask := func(ids ...string) int {
		return w.do(http.MethodPost, "/internal/contacts", contract.ContactsRequest{OrderIDs: ids}).Code
	}
	assert.Equal(t, http.StatusNotFound, ask(v.ID, "unknown"))
	assert.Equal(t, http.StatusUnprocessableEntity, ask())
	assert.Equal(t, http.StatusUnprocessableEntity, ask(make([]string, 51)...))
	many := make([]string, 50)
	for i := range many {
		many[i] = v.ID
	}
	assert.Len(t, w.contacts(many...).Contacts, 50)
}
