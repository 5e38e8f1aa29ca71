package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
)

var update = flag.Bool("update", false, "write the golden files")

var at = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)

func TestMailsAreTheGoldenFiles(t *testing.T) {
	t.Parallel()
	user := contract.UserFact{UserID: "u1", MailID: "m1"}
	for name, e := range map[string]contract.Event{
		"order":    event("orders/0/12/1", contract.OrderConfirmed, order()),
		"verify":   event("users/0/3/0", contract.UserVerificationRequested, user),
		"reset":    event("users/0/4/0", contract.UserPasswordResetAsked, user),
		"change":   event("users/0/5/0", contract.UserEmailChangeAsked, user),
		"changed":  event("users/0/6/0", contract.UserEmailChanged, user),
		"added":    event("users/0/7/0", contract.UserSecondFactorAdded, user),
		"repeated": event("users/0/9/0", contract.UserRegistrationRepeated, user),
		"removed":  event("users/0/8/0", contract.UserSecondFactorRemoved, user),
	} {
		f := newFixture(t)
		require.Equal(t, sidecar.Done, f.deliver(e))
		bound := f.mesh.Bindings()
		require.Len(t, bound, 1)
		golden := filepath.Join("testdata", name+".eml")
		if *update {
			require.NoError(t, os.WriteFile(golden, bound[0].Data, 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(bound[0].Data))
		read, err := netmail.ReadMessage(bytes.NewReader(want))
		require.NoError(t, err)
		to, err := read.Header.AddressList("To")
		require.NoError(t, err)
		assert.Contains(t, []string{"zoe@example.com", "ann@example.com"}, to[0].Address)
		for _, private := range []string{"example.com", "Zoë", "Ann", "token", "Hauptstr", "ord_7"} {
			assert.NotContains(t, f.log.String(), private, "the log")
		}
		assert.Contains(t, f.log.String(), e.ID)
	}
}

// The users service does not find a mail whose token was used meanwhile, or whose account was deleted.
func TestAMailThatIsNotNeededAnyMoreIsSkipped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	used, needed := contract.UserFact{UserID: "u1", MailID: "m2"}, contract.UserFact{UserID: "u1", MailID: "m1"}
	assert.Equal(t, sidecar.Done, f.deliver(event("e1", contract.UserPasswordResetAsked, used)))
	assert.Empty(t, f.mesh.Bindings())
	assert.Empty(t, f.deadLetters())
	f.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	assert.Equal(t, sidecar.Retry, f.deliver(event("e2", contract.UserPasswordResetAsked, needed)))
	assert.Empty(t, f.deadLetters())
}

func TestACustomersOrderHasNoToken(t *testing.T) {
	t.Parallel()
	f, fact := newFixture(t), order()
	fact.Customer = "u1"
	require.Equal(t, sidecar.Done, f.deliver(event("e1", contract.OrderConfirmed, fact)))
	assert.NotContains(t, string(f.mesh.Bindings()[0].Data), "guest-secret-token")
}

func TestRepeatedDeliveriesSendOneMail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.Equal(t, sidecar.Done, f.deliver(event("e1", contract.OrderConfirmed, order()))) })
	}
	wg.Wait()
	require.Equal(t, sidecar.Done, f.deliver(event("e2", contract.OrderConfirmed, order())))
	bound := f.mesh.Bindings()
	require.Len(t, bound, 2)
	assert.NotEqual(t, bound[0].Metadata["fileName"], bound[1].Metadata["fileName"])
}

func TestAMailIsRetriedUntilItIsSent(t *testing.T) {
	t.Parallel()
	f, e, down := newFixture(t), event("e1", contract.OrderConfirmed, order()), errors.New("down: zoe@example.com")
	f.state.readErr = down
	assert.Equal(t, sidecar.Retry, f.deliver(e))
	f.state.readErr, f.binding.err = nil, down
	assert.Equal(t, sidecar.Retry, f.deliver(e))
	assert.Empty(t, f.mesh.Bindings())
	f.binding.err, f.state.writeErr = nil, down
	assert.Equal(t, sidecar.Done, f.deliver(e), "another delivery would send the mail again")
	f.state.writeErr = nil
	assert.Equal(t, sidecar.Done, f.deliver(e))
	bound := f.mesh.Bindings()
	require.Len(t, bound, 2)
	assert.Equal(t, bound[0], bound[1], "the second file replaces the first")
	assert.Equal(t, sidecar.Done, f.deliver(e))
	assert.Len(t, f.mesh.Bindings(), 2)
}

// deliverBatch delivers the first events of the orders log together.
func (f *fixture) deliverBatch(events ...contract.Event) []sidecar.Outcome {
	var batch []sidecar.Delivery
	for i, e := range events {
		e.Source, e.Partition, e.Position = "orders", "orders", uint64(i)+1
		data, err := json.Marshal(e)
		require.NoError(f.t, err)
		batch = append(batch, sidecar.Delivery{ID: e.ID, Topic: contract.TopicOrders, Data: data})
	}
	return f.service.consumer.Deliver(f.ctx, batch)
}

func TestABatchThatFailsSendsNoMailTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var events []contract.Event
	for i := range 20 {
		fact := order()
		fact.OrderID = fmt.Sprint("ord_", i)
		f.contacts[fact.OrderID] = contract.Contact{Email: fmt.Sprint("buyer", i, "@example.com")}
		events = append(events, event(fmt.Sprint("e", i), contract.OrderConfirmed, fact),
			event(fmt.Sprint("f", i), contract.OrderPlaced, order()))
	}
	f.binding.failFrom = 11
	outcomes := f.deliverBatch(events...)
	assert.Equal(t, sidecar.Retry, outcomes[len(outcomes)-1])
	require.Len(t, f.mesh.Bindings(), 10)
	f.binding.failFrom = 0
	for range 2 {
		assert.NotContains(t, f.deliverBatch(events...), sidecar.Retry)
		require.Len(t, f.mesh.Bindings(), 20)
	}
	files := map[string]bool{}
	for _, b := range f.mesh.Bindings() {
		files[b.Metadata["fileName"]] = true
	}
	assert.Len(t, files, 20)
}

// The recipients of a batch are read with one call.
func TestDeletedCustomersGetNoMail(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var events []contract.Event
	for i := range 10 {
		fact := order()
		fact.OrderID = fmt.Sprint("ord_", i)
		events = append(events, event(fmt.Sprint("e", i), contract.OrderConfirmed, fact))
	}
	f.contacts["ord_3"], f.contacts["ord_4"] = contract.Contact{Erased: true}, contract.Contact{Erased: true}
	assert.NotContains(t, f.deliverBatch(events...), sidecar.Retry)
	assert.Equal(t, 1, f.contactCalls)
	assert.Len(t, f.mesh.Bindings(), 8)
	fact := order()
	fact.OrderID = "ord_3"
	assert.Equal(t, sidecar.Done, f.deliver(event("alone", contract.OrderConfirmed, fact)))
	assert.Len(t, f.mesh.Bindings(), 8)
	assert.Empty(t, f.deadLetters())
	assert.InDelta(t, 3, f.counted(f.service.metrics.void), 0)
}

// The orders service may know an order later than the event arrives.
func TestAMissingContactIsRetried(t *testing.T) {
	t.Parallel()
	f, e := newFixture(t), event("e1", contract.OrderConfirmed, order())
	f.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		httpx.WriteProblem(w, fault.Missing("order"))
	}))
	assert.Equal(t, sidecar.Retry, f.deliver(e))
	f.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"contacts":[]}`))
	}))
	assert.Equal(t, sidecar.Retry, f.deliver(e))
	f.mesh.Join("orders", http.HandlerFunc(f.serveContacts))
	assert.Equal(t, sidecar.Done, f.deliver(e))
	assert.Len(t, f.mesh.Bindings(), 1)
}

func TestAnEventWithBadDataBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	noAddress, noLines, noMoney := order(), order(), order()
	noAddress.OrderID, noLines.Lines, noMoney.Total.Currency = "ord_8", nil, "?"
	f.contacts["ord_8"] = contract.Contact{Email: "zoe@example.com\r\nBcc: x@y.test"}
	timeless := event("e1", contract.OrderConfirmed, order())
	timeless.At = time.Time{}
	for _, e := range []contract.Event{
		event("e1", contract.OrderConfirmed, noAddress),
		event("e1", contract.OrderConfirmed, noLines),
		event("e1", contract.OrderConfirmed, noMoney),
		event("e1", contract.OrderConfirmed, []int{1}),
		event("e1", contract.UserPasswordResetAsked, contract.UserFact{UserID: "u1"}),
		event("e1", contract.UserVerificationRequested, 7),
		timeless,
		event("", contract.OrderConfirmed, order()),
	} {
		before := len(f.deadLetters())
		assert.Equal(t, sidecar.Done, f.deliver(e))
		assert.Len(t, f.deadLetters(), before+1, "%s %s", e.Type, e.Data)
	}
	assert.Equal(t, sidecar.Done, f.deliver(event("e1", "order.fulfilled", 1)), "other events have no mail")
	assert.Empty(t, f.mesh.Bindings())
	assert.NotContains(t, f.log.String(), "zoe@")
	assert.NotContains(t, strings.Join(f.deadLetters(), " "), "zoe@")
}

func TestTheDeadLettersOfADeletedUserAreDiscarded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, customer := range []string{"u1", "u2"} {
		fact := order()
		fact.Customer, fact.Number = customer, ""
		require.Equal(t, sidecar.Done, f.deliver(event(fmt.Sprint("e", i), contract.OrderConfirmed, fact)))
	}
	require.Len(t, f.deadLetters(), 2)
	for range 2 {
		require.Equal(t, sidecar.Done, f.deliver(event("e3", contract.UserDeleted, contract.UserFact{UserID: "u1"})))
	}
	list, _, err := f.service.consumer.DeadLetters(f.ctx, consumer.Bookmark{}, 100)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "e1", list[0].Event.ID)
	require.Equal(t, sidecar.Done, f.deliver(event("e4", contract.UserDeleted, 7)))
	require.Len(t, f.deadLetters(), 2, "a deletion that is not understood becomes a dead letter")
}

func TestAShopWithoutItsAddressDoesNotStart(t *testing.T) {
	t.Parallel()
	require.EqualError(t, Config{}.Check(), "SHOP_URL is not set: set it to the public address of the shop, such as "+
		"https://shop.example")
	require.ErrorContains(t, Config{Shop: "http://shop.test"}.Check(), `SHOP_URL: "http://shop.test" is not https: set it`)
	require.NoError(t, Config{Shop: "https://shop.test"}.Check())
}
