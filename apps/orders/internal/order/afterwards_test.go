package order_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/order"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/money"
)

func eur(amount int64) money.Money { return money.New(amount, "EUR") }

// basket is an order of three hats for 10.00 together, which no third divides, a tie for 5.00, and 4.90 of
// shipping.
func basket() contract.OrderFact {
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

// send fulfils lines and records that they are shipped.
func send(t *testing.T, b *order.Book, id string, list ...any) order.Order {
	t.Helper()
	_, _, err := b.Fulfil(t.Context(), "o", order.Parcel{ID: id, Lines: lines(list...)})
	require.NoError(t, err)
	o, _, err := b.Shipped(t.Context(), "o", id, "capture-"+id)
	require.NoError(t, err)
	return o
}

func TestRule6SharesSumToTheTotal(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	o := send(t, b, "f1", "HAT", 1)
	assert.Equal(t, order.PartiallyFulfilled, o.Status)
	assert.Equal(t, eur(333+490), o.Payment.Captured, "a third of the hats, and the shipping")
	assert.Equal(t, eur(1990-823), o.Payment.Authorized)
	assert.Equal(t, order.PaymentPartiallyCaptured, o.Payment.Status())
	o = send(t, b, "f2", "HAT", 1, "TIE", 1)
	assert.Equal(t, eur(823+333+500), o.Payment.Captured)
	o = send(t, b, "f3", "HAT", 1)
	assert.Equal(t, eur(1990), o.Payment.Captured, "the last hat is worth what is left")
	assert.Equal(t, eur(0), o.Payment.Authorized)
	assert.Equal(t, order.Fulfilled, o.Status)
	assert.Equal(t, order.PaymentCaptured, o.Payment.Status())
}

func TestRule6AFailedFulfilmentGivesItsLinesBack(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	_, _, err := b.Fulfil(t.Context(), "o", order.Parcel{ID: "f1", Lines: lines("HAT", 2)})
	require.NoError(t, err)
	_, _, err = b.Fulfil(t.Context(), "o", order.Parcel{ID: "f2", Lines: lines("HAT", 2)})
	require.True(t, fault.Is(err, "invalid-quantity"), "two are spoken for: %v", err)
	_, _, err = b.Fulfil(t.Context(), "o", order.Parcel{ID: "f2", Lines: lines("HAT", 1)})
	require.NoError(t, err)
	for range 2 {
		o, _, err := b.Failed(t.Context(), "o", "f1", "authorization_ended")
		require.NoError(t, err)
		assert.Equal(t, order.Confirmed, o.Status)
	}
	_, _, err = b.Shipped(t.Context(), "o", "f1", "late")
	assert.True(t, fault.Is(err, "invalid-transition"))
	_, _, err = b.Shipped(t.Context(), "o", "f2", "c2")
	require.NoError(t, err)
	o := send(t, b, "f3", "HAT", 2, "TIE", 1)
	assert.Equal(t, eur(1990), o.Payment.Captured, "with the shipping that the failed one had owed")
}

func TestRule6Refusals(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	for name, c := range map[string]struct {
		lines    []contract.Line
		problem  string
		location string
	}{
		"none":     {nil, "invalid-request", "body.lines"},
		"zero":     {lines("HAT", 0), "invalid-quantity", "body.lines[0].quantity"},
		"negative": {lines("TIE", 1, "HAT", -1), "invalid-quantity", "body.lines[1].quantity"},
		"enormous": {lines("HAT", 1<<62), "invalid-quantity", "body.lines[0].quantity"},
		"too many": {lines("HAT", 4), "invalid-quantity", "body.lines[0].quantity"},
		"repeated": {lines("TIE", 1, "HAT", 2, "HAT", 2), "invalid-quantity", "body.lines[1].quantity"},
		"unknown":  {lines("COAT", 1), "unknown-sku", "body.lines[0].sku"},
	} {
		_, _, err := b.Fulfil(t.Context(), "o", order.Parcel{ID: name, Lines: c.lines})
		require.True(t, fault.Is(err, c.problem), "%s: %v", name, err)
		assert.Equal(t, c.location, fault.Of(err).Fields[0].Location, name)
	}
	_, version, err := b.Get(t.Context(), "o")
	require.NoError(t, err)
	assert.Equal(t, uint64(4), version, "nothing has changed")
	_, _, err = placed(t).Fulfil(t.Context(), "o", order.Parcel{ID: "f", Lines: lines("HAT", 1)})
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is confirmed")
	_, _, err = b.Cancel(t.Context(), "o", order.Sealed{})
	require.NoError(t, err)
	_, _, err = b.Fulfil(t.Context(), "o", order.Parcel{ID: "f", Lines: lines("HAT", 1)})
	assert.True(t, fault.Is(err, "invalid-transition"))
}

func TestRule4NothingIsCancelledThatIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	_, _, err := b.Fulfil(t.Context(), "o", order.Parcel{ID: "f1", Lines: lines("HAT", 1)})
	require.NoError(t, err)
	_, _, err = b.Cancel(t.Context(), "o", order.Sealed{})
	assert.True(t, fault.Is(err, "invalid-transition"))
	_, _, err = b.Failed(t.Context(), "o", "f1", "declined")
	require.NoError(t, err)
	o, _, err := b.Cancel(t.Context(), "o", order.Sealed{})
	require.NoError(t, err)
	assert.Equal(t, order.Cancelled, o.Status)
}

func TestRule7Delivered(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	_, _, err := b.Fulfil(t.Context(), "o", order.Parcel{ID: "f1", Lines: lines("HAT", 3)})
	require.NoError(t, err)
	_, _, err = b.Deliver(t.Context(), "o", "f1")
	assert.True(t, fault.Is(err, "invalid-transition"), "not before it is shipped")
	_, _, err = b.Shipped(t.Context(), "o", "f1", "c1")
	require.NoError(t, err)
	send(t, b, "f2", "TIE", 1)
	var version uint64
	for range 2 {
		o, v, err := b.Deliver(t.Context(), "o", "f1")
		require.NoError(t, err)
		assert.Equal(t, order.Fulfilled, o.Status)
		assert.True(t, version == 0 || version == v, "a repetition changes nothing")
		version = v
	}
	o, _, err := b.Deliver(t.Context(), "o", "f2")
	require.NoError(t, err)
	assert.Equal(t, order.Delivered, o.Status)
	_, _, err = b.Deliver(t.Context(), "o", "no-such")
	assert.True(t, fault.Is(err, "not-found"))
}

func comesBack(t *testing.T, b *order.Book, id string, list ...any) order.Order {
	t.Helper()
	_, _, err := b.AskReturn(t.Context(), "o", order.ReturnRequest{ID: id, Lines: lines(list...)})
	require.NoError(t, err)
	_, _, err = b.Receive(t.Context(), "o", id, true)
	require.NoError(t, err)
	o, _, err := b.ReturnSettled(t.Context(), "o", id, "refund-"+id)
	require.NoError(t, err)
	return o
}

func TestRule8Returns(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	ask := func(id string, list ...any) error {
		_, _, err := b.AskReturn(t.Context(), "o", order.ReturnRequest{ID: id, Lines: lines(list...)})
		return err
	}
	assert.True(t, fault.Is(ask("r", "HAT", 1), "invalid-transition"), "nothing was shipped")
	send(t, b, "f1", "HAT", 3)
	assert.True(t, fault.Is(ask("r", "TIE", 1), "invalid-quantity"), "that was not shipped")
	assert.True(t, fault.Is(ask("r", "COAT", 1), "unknown-sku"))
	o := comesBack(t, b, "r1", "HAT", 1)
	assert.Equal(t, eur(333), o.Payment.Refunded)
	assert.Equal(t, order.PaymentPartiallyRefunded, o.Payment.Status())
	assert.True(t, fault.Is(ask("r", "HAT", 3), "invalid-quantity"))
	send(t, b, "f2", "TIE", 1)
	o = comesBack(t, b, "r2", "HAT", 2)
	assert.Equal(t, eur(1000), o.Payment.Refunded, "all hats, to the cent")
	assert.Equal(t, order.Fulfilled, o.Status)
	o = comesBack(t, b, "r3", "TIE", 1)
	assert.Equal(t, eur(1990), o.Payment.Refunded, "with the last of it, the shipping")
	assert.Equal(t, order.Returned, o.Status)
	assert.Equal(t, order.PaymentRefunded, o.Payment.Status())

	_, _, err := b.Receive(t.Context(), "o", "r3", true)
	require.NoError(t, err, "a repetition")
	_, _, err = b.Receive(t.Context(), "o", "r3", false)
	assert.True(t, fault.Is(err, "invalid-transition"), "another one is not")
	_, _, err = b.Receive(t.Context(), "o", "no-such", true)
	assert.True(t, fault.Is(err, "not-found"))
}

func TestRule9RefundsByHand(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	ask := func(id string, amount int64) error {
		_, _, err := b.AskRefund(t.Context(), "o", order.RefundRequest{ID: id, Amount: amount, Fingerprint: "f"})
		return err
	}
	assert.True(t, fault.Is(ask("x", 1), "amount-exceeds-captured"), "nothing is captured")
	send(t, b, "f1", "HAT", 3, "TIE", 1)
	require.NoError(t, ask("x", 990))
	assert.True(t, fault.Is(ask("y", 1001), "amount-exceeds-captured"), "what is owed counts")
	o, _, err := b.RefundSettled(t.Context(), "o", "x", "ref", "")
	require.NoError(t, err)
	assert.Equal(t, eur(990), o.Payment.Refunded)
	require.NoError(t, ask("y", 1000))
	o, _, err = b.RefundSettled(t.Context(), "o", "y", "", "refused")
	require.NoError(t, err)
	assert.Equal(t, eur(990), o.Payment.Refunded, "the provider refused it")
	o = comesBack(t, b, "r1", "HAT", 3, "TIE", 1)
	assert.Equal(t, eur(1990), o.Payment.Refunded, "no more than was captured")
}

func TestRule10OneIDOnePart(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	parcel := order.Parcel{ID: "f1", Fingerprint: "a", Lines: lines("HAT", 1)}
	_, once, err := b.Fulfil(t.Context(), "o", parcel)
	require.NoError(t, err)
	_, twice, err := b.Fulfil(t.Context(), "o", parcel)
	require.NoError(t, err)
	assert.Equal(t, once, twice)
	parcel.Fingerprint = "b"
	_, _, err = b.Fulfil(t.Context(), "o", parcel)
	assert.True(t, fault.Is(err, "idempotency-key-reused"))
	_, once, err = b.Shipped(t.Context(), "o", "f1", "c")
	require.NoError(t, err)
	_, twice, err = b.Shipped(t.Context(), "o", "f1", "c")
	require.NoError(t, err)
	assert.Equal(t, once, twice)
}

func TestRule11TheRestEndsWithTheAuthorisation(t *testing.T) {
	t.Parallel()
	b := confirmed(t, basket())
	o, _, err := b.End(t.Context(), "o", "authorization-expired")
	require.NoError(t, err)
	assert.Equal(t, order.Cancelled, o.Status, "nothing was shipped")

	b = confirmed(t, basket())
	send(t, b, "f1", "HAT", 1)
	_, _, err = b.Fulfil(t.Context(), "o", order.Parcel{ID: "f2", Lines: lines("HAT", 1)})
	require.NoError(t, err)
	_, _, err = b.End(t.Context(), "o", "authorization-expired")
	assert.True(t, fault.Is(err, "invalid-transition"), "not while a parcel is about to be captured")
	_, _, err = b.Failed(t.Context(), "o", "f2", "authorization_ended")
	require.NoError(t, err)
	for range 2 {
		o, _, err = b.End(t.Context(), "o", "authorization-expired")
		require.NoError(t, err)
		assert.Equal(t, order.Fulfilled, o.Status)
		assert.True(t, o.Duties().Free)
	}
	o, _, err = b.Settled(t.Context(), "o")
	require.NoError(t, err)
	assert.Equal(t, order.PaymentCaptured, o.Payment.Status())
	assert.Equal(t, eur(0), o.Payment.Authorized)
	_, _, err = b.Fulfil(t.Context(), "o", order.Parcel{ID: "f3", Lines: lines("HAT", 1)})
	assert.True(t, fault.Is(err, "invalid-transition"))
	o = comesBack(t, b, "r1", "HAT", 1)
	assert.Equal(t, order.Returned, o.Status, "all that was ever shipped")
	assert.Equal(t, eur(823), o.Payment.Refunded)
}
