package order_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

func sealed(key string) order.Sealed { return order.Sealed{Key: key, Data: []byte(key + " sealed")} }

// What is sealed is the order's own: nobody hears of the contact, and a history has reasons as who may read it is
// to see them.
func TestSealedStaysSealed(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	b, done := open(t, state)
	_, _, _, err := b.Place(t.Context(), fact("o"), order.Request{Fingerprint: "f", Token: "tok", Contact: sealed("contact"), Invoice: sealed("invoice")})
	require.NoError(t, err)
	_, _, err = b.Confirm(t.Context(), "o", "auth", total)
	require.NoError(t, err)
	_, _, err = b.Fulfil(t.Context(), "o", order.Parcel{ID: "p", Lines: []contract.Line{{SKU: "HAT", Quantity: 1}}})
	require.NoError(t, err)
	_, _, err = b.Shipped(t.Context(), "o", "p", "ref")
	require.NoError(t, err)
	_, _, err = b.AskReturn(t.Context(), "o", order.ReturnRequest{ID: "r", Lines: []contract.Line{{SKU: "HAT", Quantity: 1}}, Why: sealed("reason")})
	require.NoError(t, err)
	_, _, err = b.AskRefund(t.Context(), "o", order.RefundRequest{ID: "g", Amount: 1, Why: sealed("gone")})
	require.NoError(t, err)
	done()
	b, done = open(t, state)
	defer done()
	o, _, err := b.Get(t.Context(), "o")
	require.NoError(t, err)
	assert.Equal(t, sealed("contact"), o.Request.Contact)
	assert.Equal(t, sealed("invoice"), o.Request.Invoice)
	assert.Equal(t, sealed("reason"), o.Returns[0].Why)

	facts, err := b.History(t.Context(), "o", func(part string, why order.Sealed) (string, error) {
		if why.Key == "gone" {
			return "", nil
		}
		return part + ": " + string(why.Data), nil
	})
	require.NoError(t, err)
	text, err := json.Marshal(facts)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"reason":"r: reason sealed"`)
	assert.Equal(t, 1, strings.Count(string(text), `"reason"`))
	for _, hidden := range []string{`"why"`, `"contact"`, `"invoice"`, `"data":"`} {
		assert.NotContains(t, string(text), hidden)
	}
}

// Orders of the time before contacts were sealed read as they are.
func TestFormerOrdersRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var s order.State
	for i, e := range []struct{ kind, data string }{
		{contract.OrderPlaced, `{"orderId":"o","number":"H10001","email":"ada@example.com","accessToken":"t","cartId":"c","total":{"amount":1,"currency":"EUR"},
			"shippingAddress":{"name":"Ada","line1":"1","city":"B","postalCode":"1","country":"DE"}}`},
		{contract.OrderConfirmed, `{}`},
		{"return.requested", `{"orderId":"o","return":{"id":"r","parts":null,"reason":"too small","status":"requested"}}`},
	} {
		var err error
		s, err = order.Model().Apply("order/o", s, commitlog.Event{Type: e.kind, Seq: uint64(i) + 1, At: at, Data: json.RawMessage(e.data)})
		require.NoError(t, err)
	}
	document, err := json.Marshal(s)
	require.NoError(t, err)
	var again order.State
	require.NoError(t, json.Unmarshal(document, &again))
	assert.Equal(t, s, again)
	assert.Equal(t, "ada@example.com", again.Order.Email)
	assert.Equal(t, "Ada", again.Order.ShippingAddress.Name)
	assert.Equal(t, "too small", again.Order.Returns[0].Reason)
}
