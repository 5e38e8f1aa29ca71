package service

import (
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/apps/cart/service/storage"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
	"haberdash/internal/transfer"
)

// confirm serves a feed of these confirmed orders, and handles each of them.
func (f *fixture) confirm(facts ...contract.OrderFact) {
	var events []contract.Event
	for i, fact := range facts {
		data, err := json.Marshal(fact)
		require.NoError(f.t, err)
		n := uint64(i) + 1
		events = append(events, contract.Event{ID: contract.EventID("orders", "orders", n, 0), Type: contract.OrderConfirmed,
			Source: "orders", Partition: "orders", Position: n, Data: data})
	}
	f.mesh.Join("orders", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, err := strconv.Atoi(r.URL.Query().Get("from"))
		if err != nil || r.URL.Path != "/feed/orders" {
			http.NotFound(w, r)
			return
		}
		most, _ := strconv.Atoi(r.URL.Query().Get("max"))
		page := events[from-1 : min(len(events), from-1+most)]
		_ = json.NewEncoder(w).Encode(
			contract.FeedPage{Events: page, Next: uint64(from + len(page)), Head: uint64(len(events))})
	}))
	for _, e := range events {
		require.NoError(f.t, f.handle(e))
	}
}

func TestExportHasEachOrderedCartOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hat := contract.Line{SKU: "hat", Quantity: 1}
	mine, guests, claimed, notOrdered := f.fill("ada", hat), f.fill("", hat), f.fill("", hat), f.fill("", hat)
	var facts []contract.OrderFact
	for i, a := range []response{mine, guests, claimed, mine} {
		facts = append(facts, contract.OrderFact{OrderID: "o" + strconv.Itoa(i), CartID: a.Cart.ID,
			CartVersion: int64(i + 1), Lines: []contract.OrderLine{{SKU: "hat", Quantity: 1}}})
	}
	for len(facts) < 400 { // two pages of the feed, of carts that have expired
		n := strconv.Itoa(len(facts))
		facts = append(facts, contract.OrderFact{OrderID: "gone" + n, CartID: "gone-gone-gone-gone" + n})
	}
	f.requireOK(f.do("bob", "POST", path(claimed)+"/claim", "", nil))
	f.confirm(facts...)

	var keys []string
	target := memory.NewState()
	require.NoError(t, f.service.events.Export(t.Context(), func(item sidecar.Item) error {
		keys = append(keys, item.Key)
		if item.Key == storage.Key(guests.Cart.ID) {
			require.Equal(t, storage.GuestTTL, item.TTL)
		} else {
			require.Zero(t, item.TTL)
		}
		return transfer.Import(t.Context(), target, []sidecar.Item{item})
	}))
	require.ElementsMatch(t, []string{storage.Key(storage.CustomerCartID("ada")), storage.Key(guests.Cart.ID),
		storage.Key(storage.CustomerCartID("bob"))}, keys, "not %s, which was not ordered", notOrdered.Cart.ID)
	for _, key := range keys {
		want, err := f.state.Get(t.Context(), key)
		require.NoError(t, err)
		got, err := target.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, string(want.Value), string(got.Value))
	}
}
