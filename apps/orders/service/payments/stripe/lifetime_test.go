package stripe_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
	"haberdash/tests/psp"
)

func TestAnswersFollowTheToken(t *testing.T) {
	t.Parallel()
	_, url := start(t, psp.Options{})
	p := open(t, url)
	for token, code := range map[string]string{
		psp.TokenVisa:                         "",
		"pm_card_visa":                        "",
		psp.TokenDeclined:                     payment.CardDeclined,
		psp.TokenInsufficientFunds:            payment.InsufficientFunds,
		"pm_card_visa_chargeDeclinedLostCard": payment.CardDeclined, // the thief must not learn it
		"pm_card_chargeDeclinedExpiredCard":   "expired_card",
		"pm_card_authenticationRequired":      "authentication_required",
		"tok_unheard_of":                      payment.InvalidToken,
		"pm_unheard_of":                       payment.InvalidToken,
	} {
		for range 2 {
			got, err := p.Authorise(t.Context(), token, price, token)
			assert.Equal(t, code, got.DeclineCode, token)
			if code == "" {
				require.NoError(t, err)
				assert.Equal(t, payment.Authorised, got.Status)
				continue
			}
			var declined *payment.Declined
			require.ErrorAs(t, err, &declined, token)
			assert.Equal(t, code, declined.Code)
			after, err := p.Void(t.Context(), token, price, "")
			require.NoError(t, err)
			assert.Equal(t, got, after, "a decline stays, without money there is nothing to void")
		}
	}
}

func TestErrorTokenFailsTwice(t *testing.T) {
	t.Parallel()
	server, url := start(t, psp.Options{})
	for range 2 {
		_, err := open(t, url).Authorise(t.Context(), "order", price, psp.TokenError)
		require.ErrorIs(t, err, payment.ErrProvider)
	}
	got, err := open(t, url).Authorise(t.Context(), "order", price, psp.TokenError)
	require.NoError(t, err)
	assert.Equal(t, payment.Authorised, got.Status)
	require.Len(t, server.Ledger().Intents, 1)
}

func TestVoidEndsTheAttemptsWithTheErrorToken(t *testing.T) {
	t.Parallel()
	_, url := start(t, psp.Options{})
	p := open(t, url)
	_, err := p.Authorise(t.Context(), "order", price, psp.TokenError)
	require.ErrorIs(t, err, payment.ErrProvider)
	_, err = p.Void(t.Context(), "order", price, "")
	require.NoError(t, err)
	for range 3 {
		_, err = p.Authorise(t.Context(), "order", price, psp.TokenError)
		require.ErrorIs(t, err, payment.ErrVoided)
	}
}

func TestPaymentWithoutAnAnswerIsAuthorised(t *testing.T) {
	t.Parallel()
	for _, token := range []string{psp.TokenTimeout, psp.TokenSlow} {
		server, url := start(t, psp.Options{})
		p := open(t, url)
		ctx, hangUp := context.WithCancel(t.Context())
		go func() {
			defer hangUp()
			assert.Eventually(t, func() bool {
				l := server.Ledger()
				return len(l.Intents) == 1 && l.Intents[0].Reserved > 0
			}, 10*time.Second, time.Millisecond)
		}()
		_, err := p.Authorise(ctx, "order", price, token)
		require.ErrorIs(t, err, payment.ErrNoAnswer)
		require.ErrorIs(t, err, context.Canceled)
		var got payment.Authorisation
		require.Eventually(t, func() bool { // until the provider notices that the caller has hung up
			got, err = p.Authorise(t.Context(), "order", price, token)
			return err == nil
		}, 10*time.Second, time.Millisecond)
		require.Len(t, server.Ledger().Intents, 1)
		assert.Equal(t, got.ID, server.Ledger().Intents[0].ID)
	}
}

func TestAmountThatStripeDoesNotAcceptIsDeclined(t *testing.T) {
	t.Parallel()
	_, url := start(t, psp.Options{})
	p, much := open(t, url), money.New(100_000_000, "EUR")
	got, err := p.Authorise(t.Context(), "order", much, psp.TokenVisa)
	var declined *payment.Declined
	require.ErrorAs(t, err, &declined)
	assert.Equal(t, "amount_too_large", declined.Code)
	after, err := p.Void(t.Context(), "order", much, "")
	require.NoError(t, err)
	assert.Equal(t, got, after)
}

// Stripe forgets idempotency keys after a day, and orders live longer.
func TestKeysHoldAfterStripeHasForgottenThem(t *testing.T) {
	t.Parallel()
	server, url := start(t, psp.Options{})
	p, ctx := open(t, url), t.Context()
	auth, err := p.Authorise(ctx, `the "first\`, price, psp.TokenVisa)
	require.NoError(t, err)
	other, err := p.Authorise(ctx, "other", price, psp.TokenVisa)
	require.NoError(t, err)
	capture, err := p.Capture(ctx, "c", auth.ID, money.New(700, "EUR"))
	require.NoError(t, err)
	refund, err := p.Refund(ctx, "r", auth.ID, money.New(300, "EUR"))
	require.NoError(t, err)

	server.ForgetKeys()
	for range 2 {
		again, err := p.Capture(ctx, "c", auth.ID, money.New(700, "EUR"))
		require.NoError(t, err)
		assert.Equal(t, capture, again)
		again, err = p.Refund(ctx, "r", auth.ID, money.New(300, "EUR"))
		require.NoError(t, err)
		assert.Equal(t, refund, again)
	}
	// With the authorisation's id, and without.
	voided, err := p.Void(ctx, "other", price, other.ID)
	require.NoError(t, err)
	assert.Equal(t, payment.Voided, voided.Status)
	voided, err = p.Void(ctx, `the "first\`, price, "")
	require.NoError(t, err)
	auth.Status, auth.Captured, auth.Refunded = payment.Voided, money.New(700, "EUR"), money.New(300, "EUR")
	assert.Equal(t, auth, voided)
	never, err := p.Void(ctx, "never seen", price, "")
	require.NoError(t, err)
	assert.Equal(t, payment.Voided, never.Status)
	assert.Empty(t, never.ID)
	for _, a := range server.Ledger().Intents {
		assert.Zero(t, a.Reserved, a)
	}
}

func TestExpiredAuthorisationIsVoided(t *testing.T) {
	t.Parallel()
	server, url := start(t, psp.Options{})
	p, ctx := open(t, url), t.Context()
	for key, taken := range map[string]int64{"nothing taken": 0, "something taken": 500} {
		auth, err := p.Authorise(ctx, key, price, psp.TokenVisa)
		require.NoError(t, err)
		if taken > 0 {
			_, err = p.Capture(ctx, "c", auth.ID, money.New(taken, "EUR"))
			require.NoError(t, err)
		}
		require.NoError(t, server.Expire(auth.ID))
		_, err = p.Capture(ctx, "late", auth.ID, money.New(1, "EUR"))
		require.ErrorIs(t, err, payment.ErrVoided)
		got, err := p.Authorise(ctx, key, price, psp.TokenVisa)
		require.ErrorIs(t, err, payment.ErrVoided)
		assert.Equal(t, taken, got.Captured.Amount)
		assert.Zero(t, got.Reserved().Amount)
		after, err := p.Void(ctx, key, price, auth.ID)
		require.NoError(t, err)
		assert.Equal(t, got, after)
	}
}
