package paymenttest

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
)

func twentyCaptures(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	auth, err := replicas[0].Authorise(t.Context(), key, eur(100), a.Approved)
	require.NoError(t, err)
	for _, move := range []func(p payment.Provider, key string) error{
		func(p payment.Provider, key string) error {
			_, err := p.Capture(t.Context(), key, auth.ID, eur(10))
			return err
		},
		func(p payment.Provider, key string) error {
			_, err := p.Refund(t.Context(), key, auth.ID, eur(10))
			return err
		},
	} {
		var moved atomic.Int32
		runWorkers(t, func(i int) error {
			err := move(replicas[i%2], newKey())
			if errors.Is(err, payment.ErrExceeds) {
				return nil
			}
			moved.Add(1)
			return err
		})
		assert.EqualValues(t, 10, moved.Load())
	}
	got := stateOf(t, replicas[0], key, eur(100), a.Approved)
	assert.Equal(t, payment.Captured, got.Status)
	assert.Equal(t, eur(100), got.Captured)
	assert.Equal(t, eur(100), got.Refunded)
}

func oneMovement(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	auth, err := replicas[0].Authorise(t.Context(), key, eur(100), a.Approved)
	require.NoError(t, err)
	for _, move := range []func(p payment.Provider, key string) (payment.Movement, error){
		func(p payment.Provider, key string) (payment.Movement, error) {
			return p.Capture(t.Context(), key, auth.ID, eur(30))
		},
		func(p payment.Provider, key string) (payment.Movement, error) {
			return p.Refund(t.Context(), key, auth.ID, eur(30))
		},
	} {
		var got [workers]payment.Movement
		moved := newKey()
		runWorkers(t, func(i int) (err error) {
			got[i], err = move(replicas[i%2], moved)
			return err
		})
		for _, g := range got {
			assert.Equal(t, got[0], g)
		}
	}
	now := stateOf(t, replicas[0], key, eur(100), a.Approved)
	assert.Equal(t, eur(30), now.Captured)
	assert.Equal(t, eur(30), now.Refunded)
}

func voidRest(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	auth, err := p.Authorise(ctx, key, eur(100), a.Approved)
	require.NoError(t, err)
	moved := newKey()
	first, err := p.Capture(ctx, moved, auth.ID, eur(40))
	require.NoError(t, err)
	assert.Equal(t, eur(60), stateOf(t, p, key, eur(100), a.Approved).Reserved())
	got, err := p.Void(ctx, key, eur(100), auth.ID)
	require.NoError(t, err)
	assert.Equal(t, payment.Voided, got.Status)
	assert.Equal(t, eur(40), got.Captured)
	assert.Equal(t, eur(0), got.Reserved())
	assert.Equal(t, eur(0), got.Refunded, "what was not captured is not refunded")

	_, err = p.Capture(ctx, newKey(), auth.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrVoided)
	again, err := p.Capture(ctx, moved, auth.ID, eur(40))
	require.NoError(t, err, "an earlier capture is still returned")
	assert.Equal(t, first, again)
	_, err = p.Refund(ctx, newKey(), auth.ID, eur(41))
	require.ErrorIs(t, err, payment.ErrExceeds)
	_, err = p.Refund(ctx, newKey(), auth.ID, eur(40))
	require.NoError(t, err)
	assert.Equal(t, eur(40), stateOf(t, p, key, eur(100), a.Approved).Refunded)

	whole := newKey()
	auth, err = p.Authorise(ctx, whole, eur(100), a.Approved)
	require.NoError(t, err)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(100))
	require.NoError(t, err)
	got, err = p.Void(ctx, whole, eur(100), auth.ID)
	require.NoError(t, err)
	assert.Equal(t, payment.Captured, got.Status, "there is nothing left to void")
}

func wholeOnly(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	auth, err := p.Authorise(ctx, key, eur(100), a.WholeOnly)
	require.NoError(t, err)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(99))
	require.ErrorIs(t, err, payment.ErrWholeOnly)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(101))
	require.ErrorIs(t, err, payment.ErrExceeds)
	assert.Equal(t, auth, stateOf(t, p, key, eur(100), a.WholeOnly))
	moved := newKey()
	for range 2 {
		_, err = p.Capture(ctx, moved, auth.ID, eur(100))
		require.NoError(t, err)
	}
	_, err = p.Refund(ctx, newKey(), auth.ID, eur(30))
	require.NoError(t, err)
	got := stateOf(t, p, key, eur(100), a.WholeOnly)
	assert.Equal(t, payment.Captured, got.Status)
	assert.Equal(t, eur(100), got.Captured)
	assert.Equal(t, eur(30), got.Refunded)
}
