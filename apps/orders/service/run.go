package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/payments/sandbox"
	"haberdash/apps/orders/service/payments/stripe"
	"haberdash/apps/orders/service/payments/webhook"
	"haberdash/internal/commitlog"
	"haberdash/internal/faultflag"
	"haberdash/internal/host"
	"haberdash/internal/roster"
	"haberdash/internal/sidecar/daprd/workflow"
)

// Config is what the service reads from its environment.
type Config struct {
	Durations
	// Provider moves the money: "sandbox", which moves none, or "stripe".
	Provider string `env:"PAYMENT_PROVIDER" envDefault:"sandbox"`
	// StripeURL is another server with Stripe's API, for tests; empty for Stripe itself.
	StripeURL string `env:"STRIPE_URL"`
	// InvoiceYears is for how many calendar years after its own an invoice is kept. Most countries require ten.
	InvoiceYears int `env:"INVOICE_YEARS" envDefault:"10"`
}

// Check checks what parsing cannot.
func (c Config) Check() error {
	if c.InvoiceYears < 1 {
		return fmt.Errorf("INVOICE_YEARS=%d: expected 1 or more", c.InvoiceYears)
	}
	if c.Provider != "sandbox" && c.Provider != "stripe" {
		return fmt.Errorf("PAYMENT_PROVIDER=%s is unknown: the choices are sandbox, stripe", c.Provider)
	}
	return nil
}

// Run wires the orders service.
func Run(ctx context.Context, h *host.Host) error {
	config, err := host.Configure[Config](h)
	if err != nil {
		return err
	}
	secret, err := h.Sidecar.Secret(ctx, "ID_KEY")
	if err != nil {
		return err
	}
	payments, webhooks, err := connectProvider(ctx, h, config)
	if err != nil {
		return err
	}
	if h.Faults != nil {
		h.Faults.Offer(faultflag.SlowPayment, faultflag.RefusedWorkflows)
		payments = slowProvider{payments, h.Faults}
	}
	log, err := host.OpenLog(ctx, h, roster.OrdersLog, order.Model(), commitlog.Options{Committed: logDecisions})
	if err != nil {
		return err
	}
	readModel := readmodel.New(log)
	if err := h.OpenProjection(ctx, readModel.Projection()); err != nil {
		return err
	}
	workflows := workflow.New(h.Sidecar.Conn(), workflow.Options{})
	s, err := New(Deps{State: h.State(), Invoker: h.Sidecar, Workflows: h.Sidecar.Measured(h.Faults.Workflows(workflows)),
		Log: log, ReadModel: readModel, Payments: payments, Provider: config.Provider, Webhooks: webhooks, Now: time.Now,
		NewID: newID, Metrics: h.Registry,
		Secret: secret, InvoiceYears: config.InvoiceYears, Durations: config.Durations})
	if err != nil {
		return err
	}
	if err := s.countOutcomes(ctx); err != nil {
		return err
	}
	s.lifecycle.RegisterWorkflow(workflows)
	h.Consume(s.consumer)
	// The log is exported before the payments: an order whose payment moves during the export finds it moved afterwards.
	// The keys come last, so that a key is exported as destroyed if it is destroyed during the export. Refusals are not
	// exported, because they are stored for a day only; nor are workflows, which start again from the log.
	h.Export(s.exportPayments)
	h.Export(s.personal.Export)
	h.ReportSetAside(host.SetAside{
		Metric: "lifecycles_set_aside", Help: "Orders whose lifecycle the workflow engine refuses.",
		Check: "lifecycles", Reason: "the workflow engine refuses them", List: s.lifecycle.SetAside,
	})
	h.Go("workflows", workflows.Run)
	h.Go("lifecycles", s.lifecycle.StartFromLog)
	h.Server.Alive(workflows.Healthy)
	s.Mount(h.API)
	return nil
}

func newID() string { return strings.ToLower(rand.Text()) }

// connectProvider makes the payment provider that the configuration names. Its secrets come from the secret store.
func connectProvider(ctx context.Context, h *host.Host, c Config) (payment.Provider, *Webhooks, error) {
	if c.Provider == "sandbox" {
		return sandbox.New(h.State(), time.Now, sandbox.Sleep), nil, nil
	}
	key, err := h.Sidecar.Secret(ctx, "STRIPE_SECRET_KEY")
	if err != nil {
		return nil, nil, err
	}
	webhookSecret, err := h.Sidecar.Secret(ctx, "STRIPE_WEBHOOK_SECRET")
	if err != nil {
		return nil, nil, err
	}
	provider, err := stripe.New(stripe.Config{SecretKey: key, URL: c.StripeURL})
	if err != nil {
		return nil, nil, err
	}
	reader, err := webhook.NewReader(webhookSecret)
	if err != nil {
		return nil, nil, err
	}
	return provider, &Webhooks{reader, provider.ReadAuthorisation}, nil
}
