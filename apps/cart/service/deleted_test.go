package service

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/cart/service/storage"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// publishDeletion publishes the deletion of a user as the n-th event of the users log.
func (f *fixture) publishDeletion(user string, n uint64) {
	f.t.Helper()
	fact, err := json.Marshal(contract.UserFact{UserID: user})
	require.NoError(f.t, err)
	event := contract.Event{ID: contract.EventID("users", "users", n, 0), Type: contract.UserDeleted,
		Source: "users", Partition: "users", Position: n, Data: fact}
	data, err := json.Marshal(event)
	require.NoError(f.t, err)
	require.NoError(f.t, f.mesh.Publish(f.t.Context(), contract.TopicUsers, []sidecar.Message{{ID: event.ID, Data: data}}))
}

// keysWith lists the keys whose values contain the text.
func (f *fixture) keysWith(text string) (keys []string) {
	for key, value := range f.state.All() {
		if strings.Contains(value, text) {
			keys = append(keys, key)
		}
	}
	return keys
}

// The cart of a deleted account is closed and its dead letters are discarded. A client that still has an access token
// of the account cannot make a new cart.
func TestADeletedCustomerLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a := f.fill("ann", contract.Line{SKU: "hat", Quantity: 2})
	f.requireOK(f.do("ann", "PUT", path(a)+"/shipping", "*", map[string]any{"address": berlin}))
	other := f.fill("zoe", contract.Line{SKU: "hat", Quantity: 1})
	broken := contract.Event{ID: "orders/orders/1/0", Type: contract.OrderConfirmed,
		Source: "orders", Partition: "orders", Position: 1,
		Data: json.RawMessage(`{"orderId":7,"customer":"ann","email":"ann@example.com"}`)}
	data, err := json.Marshal(broken)
	require.NoError(t, err)
	require.NoError(t, f.mesh.Publish(t.Context(), contract.TopicOrders, []sidecar.Message{{ID: broken.ID, Data: data}}))
	require.Len(t, f.keysWith(berlin.Line1), 1)
	require.Len(t, f.keysWith("ann@example.com"), 1)

	f.publishDeletion("ann", 1)
	assert.Empty(t, f.keysWith(berlin.Line1))
	assert.Empty(t, f.keysWith("ann@example.com"))
	assert.Equal(t, storage.ClosedTTL, f.state.ttls[storage.Key(a.Cart.ID)])
	f.publishDeletion("nobody", 2)
	f.publishDeletion("ann", 2) // again
	guest := f.fill("", contract.Line{SKU: "hat", Quantity: 1})
	for _, r := range []response{
		f.do("ann", "GET", "/api/v1/carts/mine", "", nil),
		f.do("ann", "POST", "/api/v1/carts", "", "{}"),
		f.do("ann", "GET", path(a), "", nil),
		f.do("ann", "PUT", path(a)+"/items/hat", "*", `{"quantity":1}`),
		f.do("ann", "POST", path(guest)+"/claim", "", nil),
		f.do("nobody", "GET", "/api/v1/carts/mine", "", nil),
	} {
		f.requireProblem(r, http.StatusNotFound, "not-found", "")
	}
	require.NoError(t, f.handle(confirmed("o1", a)), "an order that was confirmed before the deletion")
	assert.Len(t, f.requireOK(f.do("zoe", "GET", path(other), "", nil)).Cart.Items, 1)
	assert.Len(t, f.requireOK(f.do("", "GET", path(guest), "", nil)).Cart.Items, 1)
}

func TestADeletionIsRetriedWhileTheStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	wrong := contract.Event{Type: contract.UserDeleted, Data: json.RawMessage(`{"userId":7}`)}
	assert.True(t, consumer.IsPermanent(f.service.events.UserDeleted(t.Context(), wrong)))
	f.state.setDown(true)
	right := contract.Event{Type: contract.UserDeleted, Data: json.RawMessage(`{"userId":"ann"}`)}
	err := f.service.events.UserDeleted(t.Context(), right)
	assert.Error(t, err)
	assert.False(t, consumer.IsPermanent(err))
}
