package service

import (
	"bytes"
	"context"
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
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

var update = flag.Bool("update", false, "write the golden files")

var at = time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)

// office is the service over the memory doubles.
type office struct {
	t     *testing.T
	mesh  *memory.Mesh
	state *state
	log   *bytes.Buffer
	ctx   context.Context
	bind  *binder
	s     *Service

	mu       sync.Mutex
	contacts map[string]contract.Contact // by order; others are zoe's
	asked    int
}

// state fails on demand.
type state struct {
	*memory.State
	getErr, createErr error
}

func (s *state) Get(ctx context.Context, key string) (sidecar.Item, error) {
	item, err := s.State.Get(ctx, key)
	return item, errors.Join(err, s.getErr)
}

func (s *state) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if s.createErr != nil {
		return s.createErr
	}
	return s.State.Create(ctx, key, value, opts...)
}

// binder fails on demand.
type binder struct {
	*memory.Mesh
	err      error
	failFrom int64 // the use from which on it is down, counted from 1; 0: none
	uses     atomic.Int64
}

func (b *binder) Bind(ctx context.Context, binding, operation string, data []byte, metadata map[string]string) error {
	if n := b.uses.Add(1); b.failFrom > 0 && n >= b.failFrom {
		return errors.New("down")
	}
	if b.err != nil {
		return b.err
	}
	return b.Mesh.Bind(ctx, binding, operation, data, metadata)
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, mesh: memory.NewMesh(), state: &state{State: memory.NewState()}, log: &bytes.Buffer{}, contacts: map[string]contract.Contact{}}
	o.bind = &binder{Mesh: o.mesh}
	o.ctx = zerolog.New(zerolog.SyncWriter(o.log)).WithContext(t.Context())
	sender, err := mail.NewSender("files", "Haberdash <shop@haberdash.test>", o.bind)
	require.NoError(t, err)
	writer, err := letters.NewWriter("http://localhost:8080")
	require.NoError(t, err)
	o.s = New(Deps{State: o.state, Invoker: o.mesh, Sender: sender, Letters: writer, Now: func() time.Time { return at }})
	o.s.consumer.Subscribe(o.mesh, roster.DeadLetterTopic("notifications"), roster.Get("notifications").Topics()...)
	o.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/internal/mails/m1" {
			httpx.WriteProblem(w, fault.Missing("mail"))
			return
		}
		json.NewEncoder(w).Encode(contract.UserLetter{Email: "ann@example.com", Name: "Ann", Token: "once-only-token"})
	}))
	o.mesh.Join("orders", http.HandlerFunc(o.orders))
	return o
}

var zoe = contract.Contact{Email: "zoe@example.com", AccessToken: "guest-secret-token",
	ShippingAddress: contract.Address{Name: "Zoë Müller", Line1: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"}}

// orders answers for the orders service.
func (o *office) orders(w http.ResponseWriter, r *http.Request) {
	var ask contract.ContactsRequest
	if r.Method != http.MethodPost || r.URL.Path != "/internal/contacts" || json.NewDecoder(r.Body).Decode(&ask) != nil || len(ask.OrderIDs) > 50 {
		httpx.WriteProblem(w, fault.New(fault.Malformed, "malformed", "No."))
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	var reply contract.ContactsReply
	for _, id := range ask.OrderIDs {
		c, ok := o.contacts[id]
		if !ok {
			c = zoe
		}
		c.OrderID = id
		reply.Contacts = append(reply.Contacts, c)
	}
	json.NewEncoder(w).Encode(reply)
}

func event(id, typ string, data any) contract.Event {
	raw, _ := json.Marshal(data)
	return contract.Event{ID: id, Type: typ, Source: "users", At: at, Data: raw}
}

func (o *office) deliver(e contract.Event) sidecar.Outcome {
	data, err := json.Marshal(e)
	require.NoError(o.t, err)
	return o.s.consumer.Deliver(o.ctx, []sidecar.Delivery{{ID: e.ID, Topic: contract.TopicUsers, Data: data}})[0]
}

// parked lists why events were put aside.
func (o *office) parked() (reasons []string) {
	list, _, err := o.s.consumer.DeadLetters(o.ctx, consumer.Bookmark{}, 100)
	require.NoError(o.t, err)
	for _, p := range list {
		reasons = append(reasons, p.Reason)
	}
	return reasons
}

func eur(n int64) money.Money { return money.New(n, "EUR") }

func order() contract.OrderFact {
	return contract.OrderFact{
		OrderID: "ord_7", Number: "H-1007", CartID: "cart-secret",
		Lines: []contract.OrderLine{
			{SKU: "tee", Title: "Tee <red> & blue", Quantity: 2, UnitPrice: eur(19_99), Total: eur(39_98)},
			{SKU: "hat", Title: "Hüte", Quantity: 1, UnitPrice: eur(1234_01), Total: eur(1234_01)},
		},
		Subtotal: eur(1273_99), Discount: eur(5_00), Shipping: eur(0), Tax: eur(241_11), Total: eur(1510_10),
	}
}

func TestMailsAreAsTheyAlwaysWere(t *testing.T) {
	t.Parallel()
	user := contract.UserFact{UserID: "u1", MailID: "m1"}
	for name, e := range map[string]contract.Event{
		"order":  event("orders/0/12/1", contract.OrderConfirmed, order()),
		"verify": event("users/0/3/0", contract.UserVerificationRequested, user),
		"reset":  event("users/0/4/0", contract.UserPasswordResetAsked, user),
		"change": event("users/0/5/0", contract.UserEmailChangeAsked, user), "changed": event("users/0/6/0", contract.UserEmailChanged, user),
	} {
		o := open(t)
		require.Equal(t, sidecar.Done, o.deliver(e))
		bound := o.mesh.Bindings()
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
			assert.NotContains(t, o.log.String(), private, "the log")
		}
		assert.Contains(t, o.log.String(), e.ID)
	}
}

// A mail whose token was used meanwhile, or whose account is gone, is not written; one whose users service is away
// waits.
func TestAMailThatIsNotNeededAnyMore(t *testing.T) {
	t.Parallel()
	o := open(t)
	assert.Equal(t, sidecar.Done, o.deliver(event("e1", contract.UserPasswordResetAsked, contract.UserFact{UserID: "u1", MailID: "m2"})))
	assert.Empty(t, o.mesh.Bindings())
	assert.Empty(t, o.parked())
	o.mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	assert.Equal(t, sidecar.Retry, o.deliver(event("e2", contract.UserPasswordResetAsked, contract.UserFact{UserID: "u1", MailID: "m1"})))
	assert.Empty(t, o.parked())
}

func TestACustomersOrderCarriesNoToken(t *testing.T) {
	t.Parallel()
	o, fact := open(t), order()
	fact.Customer = "u1"
	require.Equal(t, sidecar.Done, o.deliver(event("e1", contract.OrderConfirmed, fact)))
	assert.NotContains(t, string(o.mesh.Bindings()[0].Data), "guest-secret-token")
}

func TestAnEventIsMailedOnce(t *testing.T) {
	t.Parallel()
	o := open(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { assert.Equal(t, sidecar.Done, o.deliver(event("e1", contract.OrderConfirmed, order()))) })
	}
	wg.Wait()
	require.Equal(t, sidecar.Done, o.deliver(event("e2", contract.OrderConfirmed, order())))
	bound := o.mesh.Bindings()
	require.Len(t, bound, 2)
	assert.NotEqual(t, bound[0].Metadata["fileName"], bound[1].Metadata["fileName"])
}

func TestOutagesAreTriedAgain(t *testing.T) {
	t.Parallel()
	o, e, down := open(t), event("e1", contract.OrderConfirmed, order()), errors.New("down: zoe@example.com")
	o.state.getErr = down
	assert.Equal(t, sidecar.Retry, o.deliver(e))
	o.state.getErr, o.bind.err = nil, down
	assert.Equal(t, sidecar.Retry, o.deliver(e))
	assert.Empty(t, o.mesh.Bindings())
	o.bind.err, o.state.createErr = nil, down
	assert.Equal(t, sidecar.Done, o.deliver(e), "it is sent: asking for the event again would send it again")
	o.state.createErr = nil
	assert.Equal(t, sidecar.Done, o.deliver(e))
	bound := o.mesh.Bindings()
	require.Len(t, bound, 2)
	assert.Equal(t, bound[0], bound[1], "the second file is the first again")
	assert.Equal(t, sidecar.Done, o.deliver(e))
	assert.Len(t, o.mesh.Bindings(), 2)
}

// sequence delivers events of the orders log at once, from position 1 on.
func (o *office) sequence(events ...contract.Event) []sidecar.Outcome {
	var batch []sidecar.Delivery
	for i, e := range events {
		e.Source, e.Partition, e.Position = "orders", "orders", uint64(i)+1
		data, err := json.Marshal(e)
		require.NoError(o.t, err)
		batch = append(batch, sidecar.Delivery{ID: e.ID, Topic: contract.TopicOrders, Data: data})
	}
	return o.s.consumer.Deliver(o.ctx, batch)
}

// What many events do together is what they do one by one; after a failure nobody is written to twice.
func TestMailsTogether(t *testing.T) {
	t.Parallel()
	o := open(t)
	var events []contract.Event
	for i := range 20 {
		events = append(events, event(fmt.Sprint("e", i), contract.OrderConfirmed, order()), event(fmt.Sprint("f", i), contract.OrderPlaced, order()))
	}
	o.bind.failFrom = 11
	outcomes := o.sequence(events...)
	assert.Equal(t, sidecar.Retry, outcomes[len(outcomes)-1])
	require.Len(t, o.mesh.Bindings(), 10)
	o.bind.failFrom = 0
	for range 2 {
		assert.NotContains(t, o.sequence(events...), sidecar.Retry)
		require.Len(t, o.mesh.Bindings(), 20)
	}
	files := map[string]bool{}
	for _, b := range o.mesh.Bindings() {
		files[b.Metadata["fileName"]] = true
	}
	assert.Len(t, files, 20)
}

// Of many orders whom to write to is asked once; nobody is written to whose account is deleted, and none is parked.
func TestWhoIsErasedIsNotWrittenTo(t *testing.T) {
	t.Parallel()
	o := open(t)
	var events []contract.Event
	for i := range 10 {
		fact := order()
		fact.OrderID = fmt.Sprint("ord_", i)
		events = append(events, event(fmt.Sprint("e", i), contract.OrderConfirmed, fact))
	}
	o.contacts["ord_3"], o.contacts["ord_4"] = contract.Contact{Erased: true}, contract.Contact{Erased: true}
	assert.NotContains(t, o.sequence(events...), sidecar.Retry)
	assert.Equal(t, 1, o.asked)
	assert.Len(t, o.mesh.Bindings(), 8)
	fact := order()
	fact.OrderID = "ord_3"
	assert.Equal(t, sidecar.Done, o.deliver(event("alone", contract.OrderConfirmed, fact)))
	assert.Len(t, o.mesh.Bindings(), 8)
	assert.Empty(t, o.parked())
	registry := prometheus.NewRegistry()
	registry.MustRegister(o.s.voided)
	figures, err := registry.Gather()
	require.NoError(t, err)
	assert.InDelta(t, 3, figures[0].GetMetric()[0].GetCounter().GetValue(), 0)
}

// An orders service that does not answer, or does not know the order yet, is asked again.
func TestAContactIsWaitedFor(t *testing.T) {
	t.Parallel()
	o, e := open(t), event("e1", contract.OrderConfirmed, order())
	o.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { httpx.WriteProblem(w, fault.Missing("order")) }))
	assert.Equal(t, sidecar.Retry, o.deliver(e))
	o.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"contacts":[]}`)) }))
	assert.Equal(t, sidecar.Retry, o.deliver(e))
	o.mesh.Join("orders", http.HandlerFunc(o.orders))
	assert.Equal(t, sidecar.Done, o.deliver(e))
	assert.Len(t, o.mesh.Bindings(), 1)
}

func TestBadDataIsParked(t *testing.T) {
	t.Parallel()
	o := open(t)
	noAddress, noLines, noMoney := order(), order(), order()
	noAddress.OrderID, noLines.Lines, noMoney.Total.Currency = "ord_8", nil, "?"
	o.contacts["ord_8"] = contract.Contact{Email: "zoe@example.com\r\nBcc: x@y.test"}
	timeless := event("e1", contract.OrderConfirmed, order())
	timeless.At = time.Time{}
	for _, e := range []contract.Event{
		event("e1", contract.OrderConfirmed, noAddress), event("e1", contract.OrderConfirmed, noLines), event("e1", contract.OrderConfirmed, noMoney),
		event("e1", contract.OrderConfirmed, []int{1}), event("e1", contract.UserPasswordResetAsked, contract.UserFact{UserID: "u1"}),
		event("e1", contract.UserVerificationRequested, 7), timeless, event("", contract.OrderConfirmed, order()),
	} {
		before := len(o.parked())
		assert.Equal(t, sidecar.Done, o.deliver(e))
		assert.Len(t, o.parked(), before+1, "%s %s", e.Type, e.Data)
	}
	assert.Equal(t, sidecar.Done, o.deliver(event("e1", "order.fulfilled", 1)), "other events are no mails")
	assert.Empty(t, o.mesh.Bindings())
	assert.NotContains(t, o.log.String(), "zoe@")
	assert.NotContains(t, strings.Join(o.parked(), " "), "zoe@")
}

// Of a user whose account is deleted no event remains that could not be mailed; others' do.
func TestADeletedUserIsForgotten(t *testing.T) {
	t.Parallel()
	o := open(t)
	for i, customer := range []string{"u1", "u2"} {
		fact := order()
		fact.Customer, fact.Number = customer, ""
		require.Equal(t, sidecar.Done, o.deliver(event(fmt.Sprint("e", i), contract.OrderConfirmed, fact)))
	}
	require.Len(t, o.parked(), 2)
	for range 2 {
		require.Equal(t, sidecar.Done, o.deliver(event("e3", contract.UserDeleted, contract.UserFact{UserID: "u1"})))
	}
	list, _, err := o.s.consumer.DeadLetters(o.ctx, consumer.Bookmark{}, 100)
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "e1", list[0].Event.ID)
	require.Equal(t, sidecar.Done, o.deliver(event("e4", contract.UserDeleted, 7)))
	require.Len(t, o.parked(), 2, "a deletion that is not understood is for a person to look at")
}
