package service

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

// watchedStore is a state store that lists its calls for keys of the vault and for refusals, and fails on demand.
type watchedStore struct {
	sidecar.State
	mu    sync.Mutex
	calls []string
	down  string // prefix of the keys that fail, if it is set
}

var errDown = errors.New("the store is down")

func (s *watchedStore) fail(prefix string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down = ""; down {
		s.down = prefix
	}
}

// takeCalls returns the calls since it was called last.
func (s *watchedStore) takeCalls() (calls []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls, s.calls = s.calls, nil
	return calls
}

func (s *watchedStore) noteCall(method string, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	noted := ""
	for _, key := range keys {
		if s.down != "" && strings.HasPrefix(key, s.down) {
			return sidecar.StoreUnavailable(errDown)
		}
		if kind, _, _ := strings.Cut(key, "/"); slices.Contains([]string{"contact", "guests", "invoice", "refused"}, kind) {
			noted += " " + kind
		}
	}
	if noted != "" {
		s.calls = append(s.calls, method+noted)
	}
	return nil
}

func (s *watchedStore) Get(ctx context.Context, key string) (sidecar.Item, error) {
	if err := s.noteCall("Get", key); err != nil {
		return sidecar.Item{}, err
	}
	return s.State.Get(ctx, key)
}

func (s *watchedStore) GetMany(ctx context.Context, keys []string) (map[string]sidecar.Item, error) {
	if err := s.noteCall("GetMany", keys...); err != nil {
		return nil, err
	}
	return s.State.GetMany(ctx, keys)
}

func (s *watchedStore) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := s.noteCall("Create", key); err != nil {
		return err
	}
	return s.State.Create(ctx, key, value, opts...)
}

func (s *watchedStore) Put(ctx context.Context, key string, value []byte, etag string,
	opts ...sidecar.PutOption) error {
	if err := s.noteCall("Put", key); err != nil {
		return err
	}
	return s.State.Put(ctx, key, value, etag, opts...)
}

// Keys are read together with other data of the placement, and the few new keys are made while the cart is quoted. The
// answer needs no call either.
func TestSealingAnOrderNeedsNoStoreCallOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 100)
	store := &watchedStore{State: f.state}
	f.wrapStore = func(sidecar.State) sidecar.State { return store }
	f.start()
	place := func(key string, headers ...string) []string {
		t.Helper()
		f.requireStatus(f.place(key, "c", "tok_visa", headers...), http.StatusCreated)
		return store.takeCalls()
	}
	made := make(chan struct{})
	f.beforeQuote = func() { // cart answers only when the keys are made
		assert.Eventually(t, func() bool { return len(f.keysContaining(`"keys"`)) == 2 }, timeout, time.Millisecond)
		close(made)
	}
	assert.Equal(t, []string{"GetMany invoice contact refused", "Create contact", "Create invoice"}, place("1", ada...))
	<-made
	f.beforeQuote = nil
	assert.Equal(t, []string{"GetMany invoice contact refused"}, place("2", ada...))
	assert.Equal(t, []string{"GetMany invoice refused", "Create guests"}, place("3"))
	for i := range 63 {
		assert.Equal(t, []string{"GetMany invoice refused"}, place(fmt.Sprint("g", i)))
	}
	assert.Equal(t, []string{"GetMany invoice refused", "Create guests"}, place("4"))
	store.fail("contact/", true)
	f.requireStatus(f.place("5", "c", "tok_visa", ada...), http.StatusServiceUnavailable)
	store.fail("contact/", false)
	f.requireStatus(f.place("5", "c", "tok_visa", ada...), http.StatusCreated)
}

// Keys are exported too, also those that are destroyed.
func TestImportedOrdersShowTheirPersonalData(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	erased, guest := f.buy(), read(t, f.place("guest", "c", "tok_visa"))
	kept := read(t, f.place("k", "c", "tok_visa", "Test-User", "bob"))
	f.deleteUser(1, "ada")
	imported := newFixture(t, 5)
	imported.state = f.exportAndImport()
	imported.start()
	for _, id := range []string{guest.ID, kept.ID} {
		require.Equal(t, "ada@example.com", imported.readPersonalData(id).Email)
	}
	require.Empty(t, imported.readPersonalData(erased.ID).Email)
	require.Equal(t, "1 Street", imported.readPersonalData(erased.ID).ShippingAddress.Line1)
	imported.requireStatus(imported.place("new", "c", "tok_visa", ada...), http.StatusUnauthorized)
}

// An operator can erase a guest's contact, and the invoices of a year as soon as the law no longer wants them kept.
func TestWhatAnOperatorErases(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	guest, other, own := read(t, f.place("1", "c", "tok_visa")), read(t, f.place("2", "c", "tok_visa")), f.buy()
	erase := func(what string, status int, problem string) {
		t.Helper()
		rec := f.do(http.MethodPost, "/internal/erasures/"+what, nil)
		require.Equal(t, status, rec.Code, rec.Body.String())
		require.Contains(t, rec.Body.String(), problem)
	}
	erase("orders/unknown", http.StatusNotFound, "/not-found")
	erase("orders/"+own.ID, http.StatusConflict, "/not-a-guest")
	for range 2 {
		erase("orders/"+guest.ID, http.StatusNoContent, "")
	}
	assert.Empty(t, f.readPersonalData(guest.ID).Email)
	assert.Equal(t, "1 Street", f.readPersonalData(guest.ID).ShippingAddress.Line1)
	assert.True(t, f.contacts(guest.ID).Contacts[0].Erased)
	for _, id := range []string{other.ID, own.ID} {
		assert.Equal(t, "ada@example.com", f.readPersonalData(id).Email)
	}

	year := f.now().UTC().Year()
	invoices := fmt.Sprint("invoices/", year)
	erase("invoices/1999", http.StatusUnprocessableEntity, "path.year")
	erase(invoices, http.StatusConflict, fmt.Sprint(`"until":`, year+10))
	f.advance(time.Date(year+11, 1, 1, 0, 0, 1, 0, time.UTC).Sub(f.now()))
	for range 2 {
		erase(invoices, http.StatusNoContent, "")
	}
	assert.Equal(t, contract.Address{}, f.readPersonalData(own.ID).ShippingAddress)
	assert.Equal(t, "ada@example.com", f.readPersonalData(own.ID).Email)
}
