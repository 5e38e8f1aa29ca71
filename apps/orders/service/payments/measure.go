package payments

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// Measure makes a provider that counts and times the calls of another one, under its name.
func Measure(reg prometheus.Registerer, name string, provider payment.Provider) payment.Provider {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "payments_total",
		Help: "Answers of the payment provider: succeeded, declined, failed (refused for another reason), unknown (none).",
	}, []string{"provider", "operation", "outcome"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "payment_duration_seconds", Help: "Time of a call of the payment provider.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 30},
	}, []string{"provider", "operation"})
	reg.MustRegister(results, seconds)
	of := func(operation string) call {
		with := func(outcome string) prometheus.Counter { return results.WithLabelValues(name, operation, outcome) }
		return call{
			seconds:   seconds.WithLabelValues(name, operation),
			succeeded: with("succeeded"), declined: with("declined"), failed: with("failed"), unknown: with("unknown"),
		}
	}
	return &measured{provider: provider,
		authorise: of("authorise"), capture: of("capture"), void: of("void"), refund: of("refund")}
}

// measured implements payment.Provider.
type measured struct {
	provider                         payment.Provider
	authorise, capture, void, refund call
}

// call has the metrics of one operation.
type call struct {
	seconds                              prometheus.Observer
	succeeded, declined, failed, unknown prometheus.Counter
}

func (c call) observe(began time.Time, err error) {
	c.seconds.Observe(time.Since(began).Seconds())
	c.outcome(err).Inc()
}

func (c call) outcome(err error) prometheus.Counter {
	var declined *payment.Declined
	switch {
	case err == nil:
		return c.succeeded
	case errors.As(err, &declined):
		return c.declined
	}
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return c.failed
		}
	}
	return c.unknown
}

// refusals are the errors after which nothing has changed: see payment.Provider.
var refusals = []error{payment.ErrInvalid, payment.ErrKeyReused, payment.ErrVoided, payment.ErrNotFound,
	payment.ErrExceeds, payment.ErrWholeOnly}

func (m *measured) Authorise(ctx context.Context, key string, amount money.Money,
	token string) (a payment.Authorisation, err error) {
	defer func(began time.Time) { m.authorise.observe(began, err) }(time.Now())
	return m.provider.Authorise(ctx, key, amount, token)
}

func (m *measured) Capture(ctx context.Context, key, authorisationID string,
	amount money.Money) (moved payment.Movement, err error) {
	defer func(began time.Time) { m.capture.observe(began, err) }(time.Now())
	return m.provider.Capture(ctx, key, authorisationID, amount)
}

func (m *measured) Void(ctx context.Context, key string, amount money.Money,
	authorisationID string) (a payment.Authorisation, err error) {
	defer func(began time.Time) { m.void.observe(began, err) }(time.Now())
	return m.provider.Void(ctx, key, amount, authorisationID)
}

func (m *measured) Refund(ctx context.Context, key, authorisationID string,
	amount money.Money) (moved payment.Movement, err error) {
	defer func(began time.Time) { m.refund.observe(began, err) }(time.Now())
	return m.provider.Refund(ctx, key, authorisationID, amount)
}
