package order_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logtest"
	"haberdash/internal/contract"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
)

func eur(amount int64) money.Money { return money.New(amount, "EUR") }

func sealed(key string) order.Sealed { return order.Sealed{Key: key, Data: []byte(key + " sealed")} }

func hats(n int64) contract.Line { return contract.Line{SKU: "HAT", Quantity: n} }

var (
	total = eur(1690)
	tie   = contract.Line{SKU: "TIE", Quantity: 1}

	hatsAndTie = contract.OrderFact{OrderID: "o", Customer: "ada", Total: eur(1990), Lines: []contract.OrderLine{
		{SKU: "HAT", Quantity: 3, Total: eur(900), Discount: eur(60), Tax: eur(160)},
		{SKU: "TIE", Quantity: 1, Total: eur(420), Discount: eur(0), Tax: eur(80)},
	}}
)

func oneHat(id string) contract.OrderFact {
	return contract.OrderFact{OrderID: id, Customer: "ada", Total: total,
		Lines: []contract.OrderLine{{SKU: "HAT", Quantity: 1, UnitPrice: total, Total: total}}}
}

// TestReleases reads the logs of all releases, and writes a log with an event of each type.
func TestReleases(t *testing.T) {
	t.Parallel()
	logtest.Releases(t, "orders", order.Model(), func(state sidecar.State) {
		log, err := commitlog.Open(t.Context(), state, "orders", "orders", order.Model(), commitlog.Options{})
		require.NoError(t, err)
		defer log.Close(context.Background())
		orders := orderlog.New(log)
		did := func(_ order.Order, _ uint64, err error) {
			t.Helper()
			require.NoError(t, err)
		}
		place := func(f contract.OrderFact) order.Order {
			t.Helper()
			f.CartID, f.CartVersion = "cart of "+f.OrderID, 3
			o, _, _, err := orders.Place(t.Context(), f, order.Request{Fingerprint: "f", Token: "tok",
				Contact: sealed("contact"),
				Invoice: sealed("invoice")})
			require.NoError(t, err)
			return o
		}
		ship := func(id string, shipped ...contract.Line) {
			t.Helper()
			did(orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: id, Lines: shipped}))
			did(orders.RecordShipment(t.Context(), "o", id, "capture-"+id))
		}
		place(hatsAndTie)
		did(orders.Confirm(t.Context(), "o", "auth", hatsAndTie.Total))
		ship("f1", hats(1))
		did(orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f2", Fingerprint: "g",
			Lines: []contract.Line{hats(1)}, Carrier: "DHL", TrackingNumber: "1"}))
		did(orders.RecordCaptureRefusal(t.Context(), "o", "f2", "refused"))
		ship("f3", hats(2), tie)
		did(orders.RecordDelivery(t.Context(), "o", "f1"))
		did(orders.RequestReturn(t.Context(), "o", orderlog.Return{ID: "r1", Fingerprint: "h", Lines: []contract.Line{tie},
			Reason: sealed("reason")}))
		did(orders.ReceiveReturn(t.Context(), "o", "r1", true))
		did(orders.RecordReturnRefund(t.Context(), "o", "r1", "refund"))
		did(orders.RequestRefund(t.Context(), "o", orderlog.Refund{ID: "g1", Fingerprint: "i", Amount: 100,
			Reason: sealed("sorry")}))
		did(orders.RecordRefund(t.Context(), "o", "g1", "ref"))
		did(orders.RequestRefund(t.Context(), "o", orderlog.Refund{ID: "g2", Amount: 100}))
		did(orders.RecordRefundRefusal(t.Context(), "o", "g2", "refused"))

		place(oneHat("cancelled"))
		did(orders.Confirm(t.Context(), "cancelled", "auth", total))
		did(orders.Cancel(t.Context(), "cancelled", sealed("changed my mind")))
		did(orders.RecordRelease(t.Context(), "cancelled"))
		place(oneHat("expired"))
		did(orders.Confirm(t.Context(), "expired", "auth", total))
		did(orders.EndUnshipped(t.Context(), "expired", "authorization-expired"))
		place(oneHat("left"))
		did(orders.BeginRejection(t.Context(), "left", order.Rejection{Reason: order.Expired}))
		did(orders.Reject(t.Context(), place(oneHat("declined")),
			order.Rejection{Reason: order.PaymentDeclined, Code: "insufficient_funds"}))
		did(orders.Reject(t.Context(), place(oneHat("short")), order.Rejection{Reason: order.OutOfStock,
			Lines: []contract.OutOfStockLine{{SKU: "HAT", Requested: 2, Available: 1}}}))
		did(orders.Reject(t.Context(), place(oneHat("dearer")),
			order.Rejection{Reason: order.PriceChanged, Gone: []string{"TIE"},
				Prices: []contract.PriceChangedLine{{SKU: "HAT", Was: total, Now: eur(2000)}}}))
	})
}
