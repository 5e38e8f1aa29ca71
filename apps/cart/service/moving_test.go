package service

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// ordersLog joins the mesh as the feed of these confirmations.
func (s *shop) ordersLog(facts ...contract.OrderFact) {
	var events []contract.Event
	for i, fact := range facts {
		data, err := json.Marshal(fact)
		require.NoError(s.t, err)
		n := uint64(i) + 1
		events = append(events, contract.Event{ID: contract.EventID("orders", "orders", n, 0), Type: contract.OrderConfirmed,
			Source: "orders", Partition: "orders", Position: n, Data: data})
	}
	s.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.Atoi(r.URL.Query().Get("from"))
		if err != nil || r.URL.Path != "/feed/orders" {
			http.NotFound(w, r)
			return
		}
		most, _ := strconv.Atoi(r.URL.Query().Get("max"))
		page := events[from-1 : min(len(events), from-1+most)]
		_ = json.NewEncoder(w).Encode(contract.FeedPage{Events: page, Next: uint64(from + len(page)), Head: uint64(len(events))})
	}))
	for _, e := range events {
		require.NoError(s.t, s.deliver(e))
	}
}

func TestOrderedCartsMoveOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	hat := contract.Line{SKU: "hat", Quantity: 1}
	mine, guests, claimed, other := s.filled("ada", hat), s.filled("", hat), s.filled("", hat), s.filled("", hat)
	var facts []contract.OrderFact
	for i, a := range []answer{mine, guests, claimed, mine} {
		facts = append(facts, contract.OrderFact{OrderID: "o" + strconv.Itoa(i), CartID: a.Cart.ID, CartVersion: int64(i + 1), Lines: []contract.OrderLine{{SKU: "hat", Quantity: 1}}})
	}
	for len(facts) < 2*feedPage { // carts that have expired, over several pages
		facts = append(facts, contract.OrderFact{OrderID: "gone" + strconv.Itoa(len(facts)), CartID: "gone-gone-gone-gone" + strconv.Itoa(len(facts))})
	}
	s.ok(s.do("bob", "POST", path(claimed)+"/claim", "", nil))
	s.ordersLog(facts...)

	var keys []string
	there := memory.NewState()
	service := New(Deps{State: s.state, Invoker: s.mesh})
	require.NoError(t, service.exportCarts(t.Context(), func(item sidecar.Item) error {
		keys = append(keys, item.Key)
		if item.Key == key(guests.Cart.ID) {
			require.Equal(t, guestTTL, item.TTL)
		} else {
			require.Zero(t, item.TTL)
		}
		return transfer.Import(t.Context(), there, []sidecar.Item{item})
	}))
	require.ElementsMatch(t, []string{key(ownID("ada")), key(guests.Cart.ID), key(ownID("bob"))}, keys, "not %s, which nobody ordered", other.Cart.ID)
	for _, k := range keys {
		was, err := s.state.Get(t.Context(), k)
		require.NoError(t, err)
		is, err := there.Get(t.Context(), k)
		require.NoError(t, err)
		require.Equal(t, string(was.Value), string(is.Value))
	}
}
