package service

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// tell publishes the deletion of a user, as the n-th event of the users log.
func (s *shop) tell(user string, n uint64) {
	s.t.Helper()
	fact, err := json.Marshal(contract.UserFact{UserID: user})
	require.NoError(s.t, err)
	event := contract.Event{ID: contract.EventID("users", "users", n, 0), Type: contract.UserDeleted, Source: "users", Partition: "users", Position: n, Data: fact}
	data, err := json.Marshal(event)
	require.NoError(s.t, err)
	require.NoError(s.t, s.mesh.Publish(s.t.Context(), contract.TopicUsers, []sidecar.Message{{ID: event.ID, Data: data}}))
}

// traces lists the keys under which a word is kept.
func (s *shop) traces(word string) (keys []string) {
	for key, value := range s.state.All() {
		if strings.Contains(value, word) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Of a customer whose account is deleted no cart remains and no event that could not be handled, and nobody who
// still has an access token of theirs begins a new cart.
func TestADeletedCustomerLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a := s.filled("ann", contract.Line{SKU: "hat", Quantity: 2})
	s.ok(s.do("ann", "PUT", path(a)+"/shipping", "*", map[string]any{"address": berlin}))
	other := s.filled("zoe", contract.Line{SKU: "hat", Quantity: 1})
	broken := contract.Event{ID: "orders/orders/1/0", Type: contract.OrderConfirmed, Source: "orders", Partition: "orders", Position: 1,
		Data: json.RawMessage(`{"orderId":7,"customer":"ann","email":"ann@example.com"}`)}
	data, err := json.Marshal(broken)
	require.NoError(t, err)
	require.NoError(t, s.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{{ID: broken.ID, Data: data}}))
	require.Len(t, s.traces(berlin.Line1), 1)
	require.Len(t, s.traces("ann@example.com"), 1)

	s.tell("ann", 1)
	assert.Empty(t, s.traces(berlin.Line1))
	assert.Empty(t, s.traces("ann@example.com"))
	assert.Equal(t, closedTTL, s.state.ttls[key(a.Cart.ID)])
	s.tell("nobody", 2)
	s.tell("ann", 2) // again
	guest := s.filled("", contract.Line{SKU: "hat", Quantity: 1})
	for _, r := range []answer{
		s.do("ann", "GET", "/api/v1/carts/mine", "", nil), s.do("ann", "POST", "/api/v1/carts", "", "{}"), s.do("ann", "GET", path(a), "", nil),
		s.do("ann", "PUT", path(a)+"/items/hat", "*", `{"quantity":1}`), s.do("ann", "POST", path(guest)+"/claim", "", nil),
		s.do("nobody", "GET", "/api/v1/carts/mine", "", nil),
	} {
		s.refused(r, http.StatusNotFound, "not-found", "")
	}
	require.NoError(t, s.deliver(confirmed("o1", a)), "an order that was on its way")
	assert.Len(t, s.ok(s.do("zoe", "GET", path(other), "", nil)).Cart.Items, 1)
	assert.Len(t, s.ok(s.do("", "GET", path(guest), "", nil)).Cart.Items, 1)
}

func TestADeletionWaitsForTheStore(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	service := New(Deps{State: s.state, Invoker: s.mesh})
	wrong := contract.Event{Type: contract.UserDeleted, Data: json.RawMessage(`{"userId":7}`)}
	assert.True(t, consumer.IsPermanent(service.deleted(t.Context(), wrong)))
	s.state.setDown(true)
	right := contract.Event{Type: contract.UserDeleted, Data: json.RawMessage(`{"userId":"ann"}`)}
	err := service.deleted(t.Context(), right)
	assert.Error(t, err)
	assert.False(t, consumer.IsPermanent(err))
}
