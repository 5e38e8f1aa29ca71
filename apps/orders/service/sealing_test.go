package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// watched is a state store that tells what it is asked for of the vault, and fails on demand.
type watched struct {
	sidecar.State
	mu    sync.Mutex
	calls []string
	down  string // prefix of the keys that fail, if any
}

var errDown = errors.New("the store is down")

func (s *watched) fail(prefix string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down = ""; down {
		s.down = prefix
	}
}

// taken gives the calls so far, and forgets them.
func (s *watched) taken() (calls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls, s.calls = s.calls, nil
	return calls
}

func (s *watched) call(kind string, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := ""
	for _, key := range keys {
		if s.down != "" && strings.HasPrefix(key, s.down) {
			return errDown
		}
		if kinds, _, _ := strings.Cut(key, "/"); slices.Contains([]string{"contact", "guests", "invoice", "refused"}, kinds) {
			what += " " + kinds
		}
	}
	if what != "" {
		s.calls = append(s.calls, kind+what)
	}
	return nil
}

func (s *watched) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := s.call("Get", key); err != nil {
		return sidecar.Item{}, err
	}
	return s.State.Get(ctx, key)
}

func (s *watched) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if err := s.call("GetMany", keys...); err != nil {
		return nil, err
	}
	return s.State.GetMany(ctx, keys)
}

func (s *watched) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := s.call("Create", key); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, opts...)
}

func (s *watched) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if err := s.call("Put", key); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

// To seal an order costs no call of its own: keys come with the read that there is anyway, and the few that are to be
// made are made while the cart is asked for its price. The answer, too, needs none.
func TestSealingCostsNoCallOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 100)
	store := &watched{State: w.state}
	w.store = func(sidecar.State) sidecar.State { return store }
	w.start()
	place := func(key string, headers ...string) []string {
		t.Helper()
		w.ok(w.place(key, "c", "tok_visa", headers...), http.StatusCreated)
		return store.taken()
	}
	ada := []string{"Test-User", "ada"}
	made := make(chan struct{})
	w.asked = func() { // the cart answers when the keys are made: with a call of its own the order would wait for ever
		assert.Eventually(t, func() bool { return len(w.traces(`"keys"`)) == 2 }, soon, time.Millisecond)
		close(made)
	}
	assert.Equal(t, []string{"GetMany invoice contact refused", "Create contact", "Create invoice"}, place("1", ada...))
	<-made
	w.asked = nil
	assert.Equal(t, []string{"GetMany invoice contact refused"}, place("2", ada...))
	assert.Equal(t, []string{"GetMany invoice refused", "Create guests"}, place("3"))
	for i := range 63 {
		assert.Equal(t, []string{"GetMany invoice refused"}, place(fmt.Sprint("g", i)))
	}
	assert.Equal(t, []string{"GetMany invoice refused", "Create guests"}, place("4"))
	store.fail("contact/", true)
	assert.GreaterOrEqual(t, w.place("5", "c", "tok_visa", ada...).Code, 500)
	store.fail("contact/", false)
	w.ok(w.place("5", "c", "tok_visa", ada...), http.StatusCreated)
}

// Keys move along, those that are destroyed as such.
func TestMovedOrdersAreReadByWhoMayReadThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	gone, guest := w.buy(), read(t, w.place("guest", "c", "tok_visa"))
	kept := read(t, w.place("k", "c", "tok_visa", "Test-User", "bob"))
	w.tell(1, contract.UserFact{UserID: "ada"})
	there := newWorld(t, 5)
	there.state = w.move()
	there.start()
	for _, id := range []string{guest.ID, kept.ID} {
		require.Equal(t, "ada@example.com", there.shows(id).Email)
	}
	require.Empty(t, there.shows(gone.ID).Email)
	require.Equal(t, "1 Street", there.shows(gone.ID).ShippingAddress.Line1)
	there.ok(there.place("new", "c", "tok_visa", "Test-User", "ada"), http.StatusUnauthorized)
}

// An operator erases who a guest was, and the invoices of a year when the law no longer wants them kept; not before.
func TestWhatAnOperatorErases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5)
	guest, other, own := read(t, w.place("1", "c", "tok_visa")), read(t, w.place("2", "c", "tok_visa")), w.buy()
	erase := func(what string, status int, problem string) {
		t.Helper()
		rec := w.do(http.MethodPost, "/internal/erasures/"+what, nil)
		require.Equal(t, status, rec.Code, rec.Body.String())
		require.Contains(t, rec.Body.String(), problem)
	}
	erase("orders/unknown", http.StatusNotFound, "/not-found")
	erase("orders/"+own.ID, http.StatusConflict, "/not-a-guest")
	for range 2 {
		erase("orders/"+guest.ID, http.StatusNoContent, "")
	}
	assert.Empty(t, w.shows(guest.ID).Email)
	assert.Equal(t, "1 Street", w.shows(guest.ID).ShippingAddress.Line1)
	assert.True(t, w.contacts(guest.ID).Contacts[0].Erased)
	for _, id := range []string{other.ID, own.ID} {
		assert.Equal(t, "ada@example.com", w.shows(id).Email)
	}

	year := w.now().UTC().Year()
	invoices := fmt.Sprint("invoices/", year)
	erase("invoices/1999", http.StatusUnprocessableEntity, "path.year")
	erase(invoices, http.StatusConflict, fmt.Sprint(`"until":`, year+10))
	w.advance(time.Date(year+11, 1, 1, 0, 0, 1, 0, time.UTC).Sub(w.now()))
	for range 2 {
		erase(invoices, http.StatusNoContent, "")
	}
	assert.Equal(t, contract.Address{}, w.shows(own.ID).ShippingAddress)
	assert.Equal(t, "ada@example.com", w.shows(own.ID).Email)
}
