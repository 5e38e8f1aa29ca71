package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/service/mail"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/money"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

// fixture is the service with test doubles of the sidecar, beside the services users and orders.
type fixture struct {
	t       *testing.T
	mesh    *memory.Mesh
	state   *faultyState
	log     *bytes.Buffer
	ctx     context.Context
	binding *faultyBinding
	service *Service
	later   atomic.Int64 // how much later than at it is

	mu           sync.Mutex
	contacts     map[string]contract.Contact // by order; other orders are zoe's
	contactCalls int
}

// faultyState is a state store that fails on demand. It counts the calls.
type faultyState struct {
	*memory.State
	readErr, writeErr error
	calls             atomic.Int64
	beforeWrite       func() // of PutManyIf
}

func (s *faultyState) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	s.calls.Add(1)
	items, err := s.State.GetMany(ctx, keys)
	return items, errors.Join(err, s.readErr)
}

func (s *faultyState) PutManyIf(ctx context.Context, items []sidecar.Item) error {
	s.calls.Add(1)
	if s.beforeWrite != nil {
		s.beforeWrite()
	}
	if s.writeErr != nil {
		return s.writeErr
	}
	return s.State.PutManyIf(ctx, items)
}

func (s *faultyState) PutMany(ctx context.Context, items []sidecar.Item) error {
	s.calls.Add(1)
	if s.writeErr != nil {
		return s.writeErr
	}
	return s.State.PutMany(ctx, items)
}

// faultyBinding is an output binding that fails on demand.
type faultyBinding struct {
	*memory.Mesh
	err      error
	failFrom int64  // the number of the first call that fails, from 1; 0 for none
	failFor  string // text of the mails that fail with err; empty for all
	calls    atomic.Int64
}

func (b *faultyBinding) Bind(
	ctx context.Context, binding, operation string, data []byte, metadata map[string]string,
) error {
	if n := b.calls.Add(1); b.failFrom > 0 && n >= b.failFrom {
		return errors.New("down")
	}
	if b.err != nil && strings.Contains(string(data)+metadata["emailTo"], b.failFor) {
		return b.err
	}
	return b.Mesh.Bind(ctx, binding, operation, data, metadata)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	mesh, log := memory.NewMesh(), &bytes.Buffer{}
	f := &fixture{t: t, mesh: mesh, log: log, state: &faultyState{State: memory.NewState()},
		ctx:     zerolog.New(zerolog.SyncWriter(log)).WithContext(t.Context()),
		binding: &faultyBinding{Mesh: mesh}, contacts: map[string]contract.Contact{}}
	f.start("files")
	mesh.Join("users", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/internal/mails/m1" {
			httpx.WriteProblem(w, fault.Missing("mail"))
			return
		}
		json.NewEncoder(w).Encode(contract.UserLetter{Email: "ann@example.com", Name: "Ann", Token: "once-only-token",
			RegisteredAt: at})
	}))
	mesh.Join("orders", http.HandlerFunc(f.serveContacts))
	return f
}

// start starts the service, or another replica of it.
func (f *fixture) start(sender string) {
	s := f.newReplica(sender)
	s.consumer.Subscribe(f.mesh, roster.DeadLetterTopic("notifications"), roster.Get("notifications").Topics()...)
	f.service = s
}

func (f *fixture) newReplica(kind string) *Service {
	t := f.t
	sender, err := mail.NewSender(kind, "Haberdash <shop@haberdash.test>", f.binding)
	require.NoError(t, err)
	writer, err := letters.NewWriter("http://localhost:8080")
	require.NoError(t, err)
	return New(Deps{State: f.state, Invoker: f.mesh, Sender: sender, Letters: writer,
		Now: func() time.Time { return at.Add(time.Duration(f.later.Load())) }})
}

var zoe = contract.Contact{Email: "zoe@example.com", AccessToken: "guest-secret-token",
	ShippingAddress: contract.Address{Name: "Zoë Müller", Line1: "Hauptstr. 1", City: "Berlin", PostalCode: "10115",
		Country: "DE"}}

// serveContacts is the orders service.
func (f *fixture) serveContacts(w http.ResponseWriter, r *http.Request) {
	var request contract.ContactsRequest
	if r.Method != http.MethodPost || r.URL.Path != "/internal/contacts" ||
		json.NewDecoder(r.Body).Decode(&request) != nil || len(request.OrderIDs) > 50 {
		httpx.WriteProblem(w, fault.New(fault.Malformed, "malformed", "No."))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.contactCalls++
	var reply contract.ContactsReply
	for _, id := range request.OrderIDs {
		c, ok := f.contacts[id]
		if !ok {
			c = zoe
		}
		c.OrderID, c.Mailbox = id, "digest-of-"+strings.ReplaceAll(c.Email, "@", "-")
		reply.Contacts = append(reply.Contacts, c)
	}
	json.NewEncoder(w).Encode(reply)
}

func event(id, typ string, data any) contract.Event {
	raw, _ := json.Marshal(data)
	return contract.Event{ID: id, Type: typ, Source: "users", At: at, Data: raw}
}

func (f *fixture) deliver(e contract.Event) sidecar.Outcome {
	data, err := json.Marshal(e)
	require.NoError(f.t, err)
	return f.service.consumer.Deliver(f.ctx, []sidecar.Delivery{{ID: e.ID, Topic: contract.TopicUsers, Data: data}})[0]
}

// deadLetters lists the reasons of the dead letters.
func (f *fixture) deadLetters() (reasons []string) {
	list, _, err := f.service.consumer.DeadLetters(f.ctx, consumer.Bookmark{}, 100)
	require.NoError(f.t, err)
	for _, d := range list {
		reasons = append(reasons, d.Reason)
	}
	return reasons
}

// counted returns the value of a counter.
func (f *fixture) counted(c prometheus.Counter) float64 {
	f.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	figures, err := registry.Gather()
	require.NoError(f.t, err)
	return figures[0].GetMetric()[0].GetCounter().GetValue()
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
