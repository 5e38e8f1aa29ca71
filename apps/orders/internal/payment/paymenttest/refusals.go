package paymenttest

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

func invalid(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	for _, amount := range []money.Money{eur(0), eur(-1), money.New(1, "XXX"), {}} {
		_, err := p.Authorise(ctx, key, amount, a.Approved)
		require.ErrorIs(t, err, payment.ErrInvalid)
		_, err = p.Void(ctx, key, amount, "")
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	for _, bad := range []string{"", "a||b", "line\nfeed", "ä", strings.Repeat("k", 201)} {
		_, err := p.Authorise(ctx, bad, eur(1), a.Approved)
		require.ErrorIs(t, err, payment.ErrInvalid)
		_, err = p.Void(ctx, bad, eur(1), "")
		require.ErrorIs(t, err, payment.ErrInvalid)
	}

	auth, err := p.Authorise(ctx, key, eur(100), a.Approved)
	require.NoError(t, err, "the refused attempts have changed nothing")
	for _, amount := range []money.Money{eur(0), eur(-1), money.New(10, "USD")} {
		_, err = p.Capture(ctx, newKey(), auth.ID, amount)
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	_, err = p.Capture(ctx, "", auth.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrInvalid)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(100))
	require.NoError(t, err)
	before := stateOf(t, p, key, eur(100), a.Approved)
	for _, amount := range []money.Money{eur(0), eur(-1), money.New(10, "USD")} {
		_, err = p.Refund(ctx, newKey(), auth.ID, amount)
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	assert.Equal(t, before, stateOf(t, p, key, eur(100), a.Approved))
}

func unknown(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	for _, id := range []string{"", "no-such-authorisation", "../no/such?authorisation#"} {
		_, err := p.Capture(ctx, newKey(), id, eur(1))
		require.ErrorIs(t, err, payment.ErrNotFound)
		_, err = p.Refund(ctx, newKey(), id, eur(1))
		require.ErrorIs(t, err, payment.ErrNotFound)
	}
	_, err := p.Void(ctx, key, eur(1), "no-such-authorisation")
	require.ErrorIs(t, err, payment.ErrNotFound)

	other, err := p.Authorise(ctx, newKey(), eur(1), a.Approved)
	require.NoError(t, err)
	_, err = p.Void(ctx, key, eur(1), other.ID)
	require.ErrorIs(t, err, payment.ErrNotFound, "the authorisation of another key")
	_, err = p.Capture(ctx, newKey(), other.ID, eur(1))
	require.NoError(t, err)
}

func ended(t *testing.T, a Account) {
	p, key := a.open(t), newKey()
	auth, err := p.Authorise(t.Context(), newKey(), eur(1), a.Approved)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Authorise(ctx, key, eur(1), a.Approved)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Void(ctx, key, eur(1), "")
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Refund(ctx, newKey(), auth.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrNoAnswer)
}
