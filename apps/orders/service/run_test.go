package service

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImpossibleConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	require.NoError(t, Config{Provider: "sandbox", InvoiceYears: 1}.Check())
	require.NoError(t, Config{Provider: "stripe", InvoiceYears: 10}.Check())
	require.EqualError(t, Config{Provider: "sandbox"}.Check(), "INVOICE_YEARS=0: expected 1 or more")
	require.EqualError(t, Config{Provider: "paypal", InvoiceYears: 10}.Check(),
		"PAYMENT_PROVIDER=paypal is unknown: the choices are sandbox, stripe")
}
