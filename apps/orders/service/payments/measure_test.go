package payments_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/payment/paymenttest"
	"haberdash/apps/orders/service/payments"
	"haberdash/apps/orders/service/payments/sandbox"
	"haberdash/internal/money"
	"haberdash/internal/sidecar/memory"
)

// failing is a provider that answers every call with one error.
type failing struct{ err error }

func (f *failing) Authorise(context.Context, string, money.Money, string) (payment.Authorisation, error) {
	return payment.Authorisation{}, f.err
}

func (f *failing) Capture(context.Context, string, string, money.Money) (payment.Movement, error) {
	return payment.Movement{}, f.err
}

func (f *failing) Void(context.Context, string, money.Money, string) (payment.Authorisation, error) {
	return payment.Authorisation{}, f.err
}

func (f *failing) Refund(context.Context, string, string, money.Money) (payment.Movement, error) {
	return payment.Movement{}, f.err
}

func TestAnswersOfTheProviderAreCounted(t *testing.T) {
	t.Parallel()
	reg, provider := prometheus.NewRegistry(), &failing{}
	p := payments.Measure(reg, "test", provider)
	for _, err := range []error{
		nil,
		&payment.Declined{Code: "x"}, fmt.Errorf("capture: %w", &payment.Declined{Code: "a customer's words"}),
		payment.ErrVoided, fmt.Errorf("%w: 3", payment.ErrExceeds), payment.ErrKeyReused,
		payment.ErrNoAnswer, payment.ErrProvider, errors.New("not of the port"), context.Canceled,
	} {
		provider.err = err
		_, got := p.Authorise(t.Context(), "k", money.New(1, "EUR"), "t")
		require.Equal(t, err, got)
		_, got = p.Capture(t.Context(), "k", "a", money.New(1, "EUR"))
		require.Equal(t, err, got)
		_, got = p.Void(t.Context(), "k", money.New(1, "EUR"), "a")
		require.Equal(t, err, got)
		_, got = p.Refund(t.Context(), "k", "a", money.New(1, "EUR"))
		require.Equal(t, err, got)
	}
	var want strings.Builder
	want.WriteString("# HELP payments_total Answers of the payment provider: succeeded, declined, failed (refused for " +
		"another reason), unknown (none).\n# TYPE payments_total counter\n")
	for _, operation := range []string{"authorise", "capture", "void", "refund"} {
		for outcome, n := range map[string]int{"succeeded": 1, "declined": 2, "failed": 3, "unknown": 4} {
			fmt.Fprintf(&want, "payments_total{operation=%q,outcome=%q,provider=\"test\"} %d\n", operation, outcome, n)
		}
	}
	assert.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(want.String()), "payments_total"))
	n, err := testutil.GatherAndCount(reg, "payment_duration_seconds")
	require.NoError(t, err)
	assert.Equal(t, 4, n)
}

// A measured provider keeps the promises of the port.
func TestAMeasuredProviderIsAProvider(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	paymenttest.Test(t, paymenttest.Account{
		Open: func(*testing.T) payment.Provider {
			return payments.Measure(prometheus.NewRegistry(), "sandbox", sandbox.New(state, time.Now, sandbox.Sleep))
		},
		Approved: sandbox.TokenVisa, Declined: sandbox.TokenDeclined, DeclineCode: payment.CardDeclined,
		WholeOnly: sandbox.TokenSingleCapture,
	})
}
