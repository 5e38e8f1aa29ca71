package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "orders", order.Model(), func(state sidecar.State) {
		b, done := open(t, state)
		defer done()
		did := func(_ order.Order, _ uint64, err error) {
			t.Helper()
			require.NoError(t, err)
		}
		place := func(f contract.OrderFact) order.Order {
			t.Helper()
			f.CartID, f.CartVersion = "cart of "+f.OrderID, 3
			o, _, _, err := b.Place(t.Context(), f, order.Request{Fingerprint: "f", Token: "tok", Contact: sealed("contact"), Invoice: sealed("invoice")})
			require.NoError(t, err)
			return o
		}
		f := basket()
		place(f)
		did(b.Confirm(t.Context(), "o", "auth", f.Total))
		send(t, b, "f1", "HAT", 1)
		did(b.Fulfil(t.Context(), "o", order.Parcel{ID: "f2", Fingerprint: "g", Lines: lines("HAT", 1), Carrier: "DHL", TrackingNumber: "1"}))
		did(b.Failed(t.Context(), "o", "f2", "refused"))
		send(t, b, "f3", "HAT", 2, "TIE", 1)
		did(b.Deliver(t.Context(), "o", "f1"))
		did(b.AskReturn(t.Context(), "o", order.ReturnRequest{ID: "r1", Fingerprint: "h", Lines: lines("TIE", 1), Why: sealed("reason")}))
		did(b.Receive(t.Context(), "o", "r1", true))
		did(b.ReturnSettled(t.Context(), "o", "r1", "refund"))
		did(b.AskRefund(t.Context(), "o", order.RefundRequest{ID: "g1", Fingerprint: "i", Amount: 100, Why: sealed("sorry")}))
		did(b.RefundSettled(t.Context(), "o", "g1", "ref", ""))
		did(b.AskRefund(t.Context(), "o", order.RefundRequest{ID: "g2", Amount: 100}))
		did(b.RefundSettled(t.Context(), "o", "g2", "", "refused"))

		place(fact("cancelled"))
		did(b.Confirm(t.Context(), "cancelled", "auth", total))
		did(b.Cancel(t.Context(), "cancelled", sealed("changed my mind")))
		did(b.Settled(t.Context(), "cancelled"))
		place(fact("expired"))
		did(b.Confirm(t.Context(), "expired", "auth", total))
		did(b.End(t.Context(), "expired", "authorization-expired"))
		place(fact("left"))
		did(b.GiveUp(t.Context(), "left", order.Rejection{Reason: order.Expired}))
		did(b.Reject(t.Context(), place(fact("declined")), order.Rejection{Reason: order.PaymentDeclines, Code: "insufficient_funds"}))
		did(b.Reject(t.Context(), place(fact("short")), order.Rejection{Reason: order.OutOfStock,
			Lines: []contract.OutOfStockLine{{SKU: "HAT", Requested: 2, Available: 1}}}))
		did(b.Reject(t.Context(), place(fact("dearer")), order.Rejection{Reason: order.PriceChanged, Gone: []string{"TIE"},
			Prices: []contract.PriceChangedLine{{SKU: "HAT", Was: total, Now: eur(2000)}}}))
	})
}
