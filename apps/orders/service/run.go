package service

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/service/stripe"
	"haberdash/apps/orders/service/vault"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/host"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
	"haberdash/internal/sidecar/daprd/workflow"
)

// Config is what the service reads from its environment.
type Config struct {
	Times
	// Provider moves the money: "sandbox", which moves none, or "stripe".
	Provider string `env:"PAYMENT_PROVIDER" envDefault:"sandbox"`
	// StripeURL is another server that speaks Stripe's API, for tests; Stripe's own if empty.
	StripeURL string `env:"STRIPE_URL"`
	// InvoiceYears is for how many calendar years after its own an invoice is kept: ten are asked for almost anywhere.
	InvoiceYears int `env:"INVOICE_YEARS" envDefault:"10"`
	// Rebuild is on to write all documents anew from the log first.
	Rebuild string `env:"REBUILD" envDefault:"off"`
}

// Run wires the service to its sidecar.
func Run(ctx context.Context, h *host.Host) (func(context.Context) error, error) {
	config, err := env.ParseAs[Config]()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if config.InvoiceYears < 1 {
		return nil, fmt.Errorf("configuration: INVOICE_YEARS=%d: expected 1 or more", config.InvoiceYears)
	}
	secret, err := h.Sidecar.Secret(ctx, "ID_KEY")
	if err != nil {
		return nil, err
	}
	state := h.Sidecar.State(daprd.StateStore)
	log, err := commitlog.Open(ctx, state, "orders", "orders", order.Model(), commitlog.Options{Rebuild: config.Rebuild == "on"})
	if err != nil {
		return nil, err
	}
	payments, err := provider(ctx, h, config, state)
	if err != nil {
		return nil, err
	}
	keys, err := vault.New(state, secret, newPartID, time.Now)
	if err != nil {
		return nil, err
	}
	workflows := workflow.New(h.Sidecar.Conn(), workflow.Options{})
	book := order.NewBook(log)
	if config.Rebuild == "on" {
		if err := book.Pages().Rebuild(ctx); err != nil {
			return nil, err
		}
	}
	if err := book.Pages().Open(ctx); err != nil {
		return nil, err
	}
	s := New(Deps{
		Book: book, Payments: payments, State: state, Vault: keys,
		Invoker: h.Sidecar, Workflows: workflows, Secret: []byte(secret), Now: time.Now, Times: config.Times,
		InvoiceYears: config.InvoiceYears,
	})
	s.Host(workflows)
	h.Server.Alive(workflows.Healthy)
	h.Server.Ready("log", logapi.Ready(log))
	s.Mount(h.API)
	s.Measure(h.Registry)
	s.Listen(h.Events)
	logapi.MountFeed(h.API, log)
	logapi.MountAudit(h.API, log, book.Pages())
	s.MountExport(h.API, log)
	if notifier, tells := payments.(Notifier); tells {
		s.MountWebhooks(h.API, notifier)
	}
	work, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { book.Run(work) })
	done.Go(func() { s.Run(work) })
	done.Go(func() { log.Publish(work, h.Sidecar, contract.TopicOrders) })
	done.Go(func() {
		if err := workflows.Run(work); err != nil {
			h.Fail(fmt.Errorf("workflows: %w", err))
		}
	})
	done.Go(func() {
		if err := s.Follow(work); err != nil {
			h.Fail(fmt.Errorf("lifecycles: %w", err))
		}
	})
	return func(ctx context.Context) error {
		stop()
		done.Wait()
		return log.Close(ctx)
	}, nil
}

// provider gives the payment provider that the configuration names, with its secrets from the secret store.
func provider(ctx context.Context, h *host.Host, c Config, state sidecar.State) (payment.Provider, error) {
	switch c.Provider {
	case "sandbox":
		return payment.NewSandbox(state, time.Now, payment.Sleep), nil
	case "stripe":
		key, err := h.Sidecar.Secret(ctx, "STRIPE_SECRET_KEY")
		if err != nil {
			return nil, err
		}
		webhook, err := h.Sidecar.Secret(ctx, "STRIPE_WEBHOOK_SECRET")
		if err != nil {
			return nil, err
		}
		return stripe.New(stripe.Config{SecretKey: key, WebhookSecret: webhook, URL: c.StripeURL})
	}
	return nil, fmt.Errorf("PAYMENT_PROVIDER=%s is unknown: the choices are sandbox, stripe", c.Provider)
}
