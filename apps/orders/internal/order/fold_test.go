package order_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
)

// Orders from before personal data was sealed have it in the clear.
func TestOrderFromBeforeSealingIsFolded(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var s order.State
	for i, e := range []struct{ kind, data string }{
		{contract.OrderPlaced, `{"orderId":"o","number":"H10001","email":"ada@example.com","accessToken":"t",
			"cartId":"c","total":{"amount":1,"currency":"EUR"},
			"shippingAddress":{"name":"Ada","line1":"1","city":"B","postalCode":"1","country":"DE"}}`},
		{contract.OrderConfirmed, `{}`},
		{"return.requested", `{"orderId":"o","return":{"id":"r","parts":null,"reason":"too small","status":"requested"}}`},
	} {
		var err error
		s, err = order.Model().Apply("order/o", s, commitlog.Event{Type: e.kind, Seq: uint64(i) + 1, At: at,
			Data: json.RawMessage(e.data)})
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
