package orderlog_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

func eur(amount int64) money.Money { return money.New(amount, "EUR") }

// hatsAndTie is an order "o" of three hats for 10.00 together, which cannot be divided by three, a tie for 5.00, and
// 4.90 for shipping.
func hatsAndTie() contract.OrderFact {
	f := fact("o")
	f.Total = eur(1990)
	f.Lines = []contract.OrderLine{
		{SKU: "HAT", Quantity: 3, Total: eur(900), Discount: eur(60), Tax: eur(160)},
		{SKU: "TIE", Quantity: 1, Total: eur(420), Discount: eur(0), Tax: eur(80)},
	}
	return f
}

func lines(skusAndQuantities ...any) (list []contract.Line) {
	for i := 0; i < len(skusAndQuantities); i += 2 {
		list = append(list, contract.Line{SKU: skusAndQuantities[i].(string), Quantity: int64(skusAndQuantities[i+1].(int))})
	}
	return list
}

// ship requests a fulfilment of lines and records that it is shipped.
func ship(t *testing.T, orders *orderlog.Repository, id string, list ...any) order.Order {
	t.Helper()
	_, _, err := orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: id, Lines: lines(list...)})
	require.NoError(t, err)
	o, _, err := orders.RecordShipment(t.Context(), "o", id, "capture-"+id)
	require.NoError(t, err)
	return o
}

func TestRule6SharesSumToTheTotal(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	o := ship(t, orders, "f1", "HAT", 1)
	assert.Equal(t, order.PartiallyFulfilled, o.Status)
	assert.Equal(t, eur(333+490), o.Payment.Captured, "a third of the hats, and the shipping")
	assert.Equal(t, eur(1990-823), o.Payment.Authorized)
	assert.Equal(t, order.PaymentPartiallyCaptured, o.Payment.Status())
	o = ship(t, orders, "f2", "HAT", 1, "TIE", 1)
	assert.Equal(t, eur(823+333+500), o.Payment.Captured)
	o = ship(t, orders, "f3", "HAT", 1)
	assert.Equal(t, eur(1990), o.Payment.Captured, "the last hat costs what is left")
	assert.Equal(t, eur(0), o.Payment.Authorized)
	assert.Equal(t, order.Fulfilled, o.Status)
	assert.Equal(t, order.PaymentCaptured, o.Payment.Status())
}

func TestRule6AFailedFulfilmentGivesItsUnitsBack(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	_, _, err := orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f1", Lines: lines("HAT", 2)})
	require.NoError(t, err)
	_, _, err = orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f2", Lines: lines("HAT", 2)})
	require.True(t, fault.Is(err, "invalid-quantity"), "two are assigned: %v", err)
	_, _, err = orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f2", Lines: lines("HAT", 1)})
	require.NoError(t, err)
	for range 2 {
		o, _, err := orders.RecordCaptureRefusal(t.Context(), "o", "f1", "authorization_ended")
		require.NoError(t, err)
		assert.Equal(t, order.Confirmed, o.Status)
	}
	_, _, err = orders.RecordShipment(t.Context(), "o", "f1", "late")
	assert.True(t, fault.Is(err, "invalid-transition"))
	_, _, err = orders.RecordShipment(t.Context(), "o", "f2", "c2")
	require.NoError(t, err)
	o := ship(t, orders, "f3", "HAT", 2, "TIE", 1)
	assert.Equal(t, eur(1990), o.Payment.Captured, "with the shipping, which the failed one would have borne")
}

func TestRule6BadLinesAreRefused(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	for name, c := range map[string]struct {
		lines    []contract.Line
		problem  string
		location string
	}{
		"none":     {nil, "invalid-request", "lines"},
		"zero":     {lines("HAT", 0), "invalid-quantity", "lines[0].quantity"},
		"negative": {lines("TIE", 1, "HAT", -1), "invalid-quantity", "lines[1].quantity"},
		"enormous": {lines("HAT", 1<<62), "invalid-quantity", "lines[0].quantity"},
		"too many": {lines("HAT", 4), "invalid-quantity", "lines[0].quantity"},
		"repeated": {lines("TIE", 1, "HAT", 2, "HAT", 2), "invalid-quantity", "lines[1].quantity"},
		"unknown":  {lines("COAT", 1), "unknown-sku", "lines[0].sku"},
	} {
		_, _, err := orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: name, Lines: c.lines})
		require.True(t, fault.Is(err, c.problem), "%s: %v", name, err)
		assert.Equal(t, c.location, fault.Of(err).Fields[0].Location, name)
	}
	_, version, err := orders.Get(t.Context(), "o")
	require.NoError(t, err)
	assert.Equal(t, uint64(4), version, "nothing has changed")
	undecided, _ := placed(t)
	_, _, err = undecided.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f", Lines: lines("HAT", 1)})
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is confirmed")
	_, _, err = orders.Cancel(t.Context(), "o", order.Sealed{})
	require.NoError(t, err)
	_, _, err = orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f", Lines: lines("HAT", 1)})
	assert.True(t, fault.Is(err, "invalid-transition"))
}

func TestRule4AnOrderWithAParcelIsNotCancelled(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	_, _, err := orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f1", Lines: lines("HAT", 1)})
	require.NoError(t, err)
	_, _, err = orders.Cancel(t.Context(), "o", order.Sealed{})
	assert.True(t, fault.Is(err, "invalid-transition"))
	_, _, err = orders.RecordCaptureRefusal(t.Context(), "o", "f1", "declined")
	require.NoError(t, err)
	o, _, err := orders.Cancel(t.Context(), "o", order.Sealed{})
	require.NoError(t, err)
	assert.Equal(t, order.Cancelled, o.Status)
}

func TestRule7DeliveredOnceAllIsDelivered(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	_, _, err := orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f1", Lines: lines("HAT", 3)})
	require.NoError(t, err)
	_, _, err = orders.RecordDelivery(t.Context(), "o", "f1")
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is shipped")
	_, _, err = orders.RecordShipment(t.Context(), "o", "f1", "c1")
	require.NoError(t, err)
	ship(t, orders, "f2", "TIE", 1)
	var version uint64
	for range 2 {
		o, v, err := orders.RecordDelivery(t.Context(), "o", "f1")
		require.NoError(t, err)
		assert.Equal(t, order.Fulfilled, o.Status)
		assert.True(t, version == 0 || version == v, "a repetition changes nothing")
		version = v
	}
	o, _, err := orders.RecordDelivery(t.Context(), "o", "f2")
	require.NoError(t, err)
	assert.Equal(t, order.Delivered, o.Status)
	_, _, err = orders.RecordDelivery(t.Context(), "o", "no-such")
	assert.True(t, fault.Is(err, "not-found"))
}

// returnLines requests, receives and refunds a return of lines.
func returnLines(t *testing.T, orders *orderlog.Repository, id string, list ...any) order.Order {
	t.Helper()
	_, _, err := orders.RequestReturn(t.Context(), "o", orderlog.Return{ID: id, Lines: lines(list...)})
	require.NoError(t, err)
	_, _, err = orders.ReceiveReturn(t.Context(), "o", id, true)
	require.NoError(t, err)
	o, _, err := orders.RecordReturnRefund(t.Context(), "o", id, "refund-"+id)
	require.NoError(t, err)
	return o
}

func TestRule8ReturnsAreRefundedToTheCent(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	request := func(id string, list ...any) error {
		_, _, err := orders.RequestReturn(t.Context(), "o", orderlog.Return{ID: id, Lines: lines(list...)})
		return err
	}
	assert.True(t, fault.Is(request("r", "HAT", 1), "invalid-transition"), "nothing was shipped")
	ship(t, orders, "f1", "HAT", 3)
	assert.True(t, fault.Is(request("r", "TIE", 1), "invalid-quantity"), "that was not shipped")
	assert.True(t, fault.Is(request("r", "COAT", 1), "unknown-sku"))
	o := returnLines(t, orders, "r1", "HAT", 1)
	assert.Equal(t, eur(333), o.Payment.Refunded)
	assert.Equal(t, order.PaymentPartiallyRefunded, o.Payment.Status())
	assert.True(t, fault.Is(request("r", "HAT", 3), "invalid-quantity"))
	ship(t, orders, "f2", "TIE", 1)
	o = returnLines(t, orders, "r2", "HAT", 2)
	assert.Equal(t, eur(1000), o.Payment.Refunded, "all hats, to the cent")
	assert.Equal(t, order.Fulfilled, o.Status)
	o = returnLines(t, orders, "r3", "TIE", 1)
	assert.Equal(t, eur(1990), o.Payment.Refunded, "with the last unit also the shipping")
	assert.Equal(t, order.Returned, o.Status)
	assert.Equal(t, order.PaymentRefunded, o.Payment.Status())

	_, _, err := orders.ReceiveReturn(t.Context(), "o", "r3", true)
	require.NoError(t, err, "a repetition")
	_, _, err = orders.ReceiveReturn(t.Context(), "o", "r3", false)
	assert.True(t, fault.Is(err, "invalid-transition"), "not a repetition")
	_, _, err = orders.ReceiveReturn(t.Context(), "o", "no-such", true)
	assert.True(t, fault.Is(err, "not-found"))
}

func TestRule9RefundsAreAtMostWhatIsCaptured(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	request := func(id string, amount int64) error {
		_, _, err := orders.RequestRefund(t.Context(), "o", orderlog.Refund{ID: id, Amount: amount, Fingerprint: "f"})
		return err
	}
	assert.True(t, fault.Is(request("x", 1), "amount-exceeds-captured"), "nothing is captured")
	ship(t, orders, "f1", "HAT", 3, "TIE", 1)
	require.NoError(t, request("x", 990))
	assert.True(t, fault.Is(request("y", 1001), "amount-exceeds-captured"), "what is owed counts too")
	o, _, err := orders.RecordRefund(t.Context(), "o", "x", "ref")
	require.NoError(t, err)
	assert.Equal(t, eur(990), o.Payment.Refunded)
	require.NoError(t, request("y", 1000))
	o, _, err = orders.RecordRefundRefusal(t.Context(), "o", "y", "refused")
	require.NoError(t, err)
	assert.Equal(t, eur(990), o.Payment.Refunded, "the provider refused it")
	o = returnLines(t, orders, "r1", "HAT", 3, "TIE", 1)
	assert.Equal(t, eur(1990), o.Payment.Refunded, "no more than was captured")
}

func TestRule10OneIDIsOnePart(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	parcel := orderlog.Parcel{ID: "f1", Fingerprint: "a", Lines: lines("HAT", 1)}
	_, once, err := orders.RequestFulfilment(t.Context(), "o", parcel)
	require.NoError(t, err)
	_, twice, err := orders.RequestFulfilment(t.Context(), "o", parcel)
	require.NoError(t, err)
	assert.Equal(t, once, twice)
	parcel.Fingerprint = "b"
	_, _, err = orders.RequestFulfilment(t.Context(), "o", parcel)
	assert.True(t, fault.Is(err, "idempotency-key-reused"))
	_, once, err = orders.RecordShipment(t.Context(), "o", "f1", "c")
	require.NoError(t, err)
	_, twice, err = orders.RecordShipment(t.Context(), "o", "f1", "c")
	require.NoError(t, err)
	assert.Equal(t, once, twice)
}

func TestRule11TheRestEndsWithTheAuthorisation(t *testing.T) {
	t.Parallel()
	orders := confirmed(t, hatsAndTie())
	o, _, err := orders.EndUnshipped(t.Context(), "o", "authorization-expired")
	require.NoError(t, err)
	assert.Equal(t, order.Cancelled, o.Status, "nothing was shipped")

	orders = confirmed(t, hatsAndTie())
	ship(t, orders, "f1", "HAT", 1)
	_, _, err = orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f2", Lines: lines("HAT", 1)})
	require.NoError(t, err)
	_, _, err = orders.EndUnshipped(t.Context(), "o", "authorization-expired")
	assert.True(t, fault.Is(err, "invalid-transition"), "not while a parcel is about to be captured")
	_, _, err = orders.RecordCaptureRefusal(t.Context(), "o", "f2", "authorization_ended")
	require.NoError(t, err)
	for range 2 {
		o, _, err = orders.EndUnshipped(t.Context(), "o", "authorization-expired")
		require.NoError(t, err)
		assert.Equal(t, order.Fulfilled, o.Status)
		assert.True(t, o.Duties().Release)
	}
	o, _, err = orders.RecordRelease(t.Context(), "o")
	require.NoError(t, err)
	assert.Equal(t, order.PaymentCaptured, o.Payment.Status())
	assert.Equal(t, eur(0), o.Payment.Authorized)
	_, _, err = orders.RequestFulfilment(t.Context(), "o", orderlog.Parcel{ID: "f3", Lines: lines("HAT", 1)})
	assert.True(t, fault.Is(err, "invalid-transition"))
	o = returnLines(t, orders, "r1", "HAT", 1)
	assert.Equal(t, order.Returned, o.Status, "all that was shipped")
	assert.Equal(t, eur(823), o.Payment.Refunded)
}
