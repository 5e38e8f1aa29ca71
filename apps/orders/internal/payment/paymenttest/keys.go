package paymenttest

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

func oneAuthorisation(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	first, err := p.Authorise(ctx, key, eur(1999), a.Approved)
	require.NoError(t, err)
	assert.NotEmpty(t, first.ID)
	assert.WithinDuration(t, time.Now(), first.At, 24*time.Hour)
	assert.Equal(t, payment.Authorisation{
		ID: first.ID, Key: key, Amount: eur(1999), Captured: eur(0), Refunded: eur(0),
		Status: payment.Authorised, At: first.At,
	}, first)
	assert.Equal(t, eur(1999), first.Reserved())

	for _, p := range []payment.Provider{p, a.open(t)} {
		again, err := p.Authorise(ctx, key, eur(1999), a.Approved)
		require.NoError(t, err)
		assert.Equal(t, first, again)
	}

	_, err = p.Capture(ctx, newKey(), first.ID, eur(1999))
	require.NoError(t, err)
	again, err := p.Authorise(ctx, key, eur(1999), a.Approved)
	require.NoError(t, err)
	assert.Equal(t, payment.Captured, again.Status, "a repetition returns the present state")
	assert.Equal(t, eur(0), again.Reserved())
}

func twentyAttempts(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	var got [workers]payment.Authorisation
	runWorkers(t, func(i int) (err error) {
		got[i], err = replicas[i%2].Authorise(t.Context(), key, eur(100), a.Approved)
		return err
	})
	for _, g := range got {
		assert.Equal(t, got[0], g)
	}
	// If there were two authorisations, both could be captured.
	_, err := replicas[0].Capture(t.Context(), newKey(), got[0].ID, eur(100))
	require.NoError(t, err)
	_, err = replicas[1].Capture(t.Context(), newKey(), got[1].ID, eur(1))
	require.ErrorIs(t, err, payment.ErrExceeds)
}

func keyReused(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	first, err := p.Authorise(ctx, key, eur(500), a.Approved)
	require.NoError(t, err)
	for _, amount := range []money.Money{eur(501), money.New(500, "USD")} {
		_, err = p.Authorise(ctx, key, amount, a.Approved)
		require.ErrorIs(t, err, payment.ErrKeyReused)
		for _, id := range []string{"", first.ID} {
			_, err = p.Void(ctx, key, amount, id)
			require.ErrorIs(t, err, payment.ErrKeyReused)
		}
	}
	_, err = p.Authorise(ctx, key, eur(500), a.Declined)
	require.ErrorIs(t, err, payment.ErrKeyReused)
	assert.Equal(t, first, stateOf(t, p, key, eur(500), a.Approved))

	moved := newKey()
	_, err = p.Capture(ctx, moved, first.ID, eur(100))
	require.NoError(t, err)
	before := stateOf(t, p, key, eur(500), a.Approved)
	_, err = p.Capture(ctx, moved, first.ID, eur(99))
	require.ErrorIs(t, err, payment.ErrKeyReused)
	_, err = p.Refund(ctx, moved, first.ID, eur(100))
	require.ErrorIs(t, err, payment.ErrKeyReused)
	back := newKey()
	_, err = p.Refund(ctx, back, first.ID, eur(10))
	require.NoError(t, err)
	_, err = p.Refund(ctx, back, first.ID, eur(11))
	require.ErrorIs(t, err, payment.ErrKeyReused)
	_, err = p.Capture(ctx, back, first.ID, eur(10))
	require.ErrorIs(t, err, payment.ErrKeyReused)
	before.Refunded = eur(10)
	assert.Equal(t, before, stateOf(t, p, key, eur(500), a.Approved))
}

func declineIsFinal(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	for range 2 {
		got, err := p.Authorise(ctx, key, eur(500), a.Declined)
		var declined *payment.Declined
		require.ErrorAs(t, err, &declined)
		assert.Equal(t, a.DeclineCode, declined.Code)
		assert.Equal(t, payment.Refused, got.Status)
		assert.Equal(t, a.DeclineCode, got.DeclineCode)
		assert.Equal(t, eur(0), got.Reserved())
		_, err = p.Capture(ctx, newKey(), got.ID, eur(500))
		require.ErrorAs(t, err, &declined)
		for _, id := range []string{"", got.ID} {
			after, err := p.Void(ctx, key, eur(500), id)
			require.NoError(t, err)
			assert.Equal(t, got, after, "there is nothing to void")
		}
	}
}

func voidIsFinal(t *testing.T, a Account) {
	p, ctx, early, late := a.open(t), t.Context(), newKey(), newKey()
	first, err := p.Authorise(ctx, early, eur(500), a.Approved)
	require.NoError(t, err)
	byID := newKey()
	second, err := p.Authorise(ctx, byID, eur(500), a.Approved)
	require.NoError(t, err)
	// After an authorisation whose answer is known or not, and before any authorisation.
	for key, id := range map[string]string{early: "", byID: second.ID, late: ""} {
		voided, err := p.Void(ctx, key, eur(500), id)
		require.NoError(t, err)
		assert.Equal(t, payment.Voided, voided.Status)
		assert.Equal(t, eur(500), voided.Amount)
		assert.Equal(t, eur(0), voided.Reserved())
		assert.Equal(t, key == late, voided.ID == "")
		got, err := p.Authorise(ctx, key, eur(500), a.Approved)
		require.ErrorIs(t, err, payment.ErrVoided)
		assert.Equal(t, voided, got)
		for _, id := range []string{"", voided.ID} {
			again, err := a.open(t).Void(ctx, key, eur(500), id)
			require.NoError(t, err)
			assert.Equal(t, voided, again)
		}
	}
	_, err = p.Capture(ctx, newKey(), first.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrVoided)
}

func voidRace(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	runWorkers(t, func(i int) error {
		if i == workers/2 {
			_, err := replicas[0].Void(t.Context(), key, eur(100), "")
			return err
		}
		_, err := replicas[i%2].Authorise(t.Context(), key, eur(100), a.Approved)
		if errors.Is(err, payment.ErrVoided) {
			return nil
		}
		return err
	})
	got := stateOf(t, replicas[0], key, eur(100), a.Approved)
	assert.Equal(t, payment.Voided, got.Status)
	assert.Equal(t, eur(0), got.Reserved())
}
