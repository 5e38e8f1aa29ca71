package service

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/faultflag"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

// A provider that hangs has given no answer, so the order stays undecided: any other error would be answered with 500.
func TestASlowProviderThatIsTooSlowHasNotAnswered(t *testing.T) {
	t.Parallel()
	faults, err := faultflag.New(t.Context(), memory.NewState(), time.Now)
	require.NoError(t, err)
	faults.Offer(faultflag.SlowPayment)
	require.NoError(t, faults.Set(t.Context(), faultflag.SlowPayment.Name, "hanging", time.Minute))
	p := slowProvider{faults: faults}
	amount := money.New(1, "EUR")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = p.Authorise(ctx, "k", amount, "tok_visa")
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Capture(ctx, "k", "a", amount)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Void(ctx, "k", amount, "a")
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Refund(ctx, "k", "a", amount)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
}
