package readmodel_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/internal/commitlog"
	"haberdash/internal/contract"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

func open(t *testing.T, state *memory.State) *commitlog.Partition[order.State] {
	t.Helper()
	log, err := commitlog.Open(t.Context(), state, "orders", "orders", order.Model(), commitlog.Options{})
	require.NoError(t, err)
	return log
}

func sealed(key string) order.Sealed { return order.Sealed{Key: key, Data: []byte(key + " sealed")} }

// A history shows no sealed value, and the reasons that can be opened as text.
func TestHistoryShowsReasonsAndNothingSealed(t *testing.T) {
	t.Parallel()
	state, ctx := memory.NewState(), t.Context()
	log := open(t, state)
	orders := orderlog.New(log)
	did := func(_ order.Order, _ uint64, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	total, hat := money.New(1690, "EUR"), []contract.Line{{SKU: "HAT", Quantity: 1}}
	fact := contract.OrderFact{OrderID: "o", Customer: "ada", Total: total,
		Lines: []contract.OrderLine{{SKU: "HAT", Quantity: 1, UnitPrice: total, Total: total}}}
	_, _, _, err := orders.Place(ctx, fact,
		order.Request{Fingerprint: "f", Token: "tok", Contact: sealed("contact"), Invoice: sealed("invoice")})
	require.NoError(t, err)
	did(orders.Confirm(ctx, "o", "auth", total))
	did(orders.RequestFulfilment(ctx, "o", orderlog.Parcel{ID: "p", Lines: hat}))
	did(orders.RecordShipment(ctx, "o", "p", "ref"))
	did(orders.RequestReturn(ctx, "o", orderlog.Return{ID: "r", Lines: hat, Reason: sealed("reason")}))
	did(orders.RequestRefund(ctx, "o", orderlog.Refund{ID: "g", Amount: 1, Reason: sealed("destroyed")}))
	require.NoError(t, log.Close(ctx))

	log = open(t, state)
	defer log.Close(context.Background())
	o, _, err := orderlog.New(log).Get(ctx, "o")
	require.NoError(t, err)
	assert.Equal(t, sealed("contact"), o.Request.Contact)
	assert.Equal(t, sealed("invoice"), o.Request.Invoice)
	assert.Equal(t, sealed("reason"), o.Returns[0].SealedReason)
	facts, err := readmodel.New(log).History(ctx, "o", func(part string, reason order.Sealed) (string, error) {
		if reason.Key == "destroyed" {
			return "", nil
		}
		return part + ": " + string(reason.Data), nil
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
