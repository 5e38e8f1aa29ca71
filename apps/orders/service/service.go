// Package service wires the orders service. Its parts are packages:
//
//	placement   places orders and decides them
//	lifecycle   completes the duties of placed orders (order.Duties)
//	payments    calls the payment provider; its adapters are sandbox and stripe
//	stock       calls catalog about the goods
//	privacy     seals, opens and erases personal data
//	routes      the public API; views are what it answers with
package service

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/internal/ids"
	"haberdash/apps/orders/internal/order"
	"haberdash/apps/orders/internal/orderlog"
	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/readmodel"
	"haberdash/apps/orders/service/lifecycle"
	"haberdash/apps/orders/service/payments"
	"haberdash/apps/orders/service/payments/webhook"
	"haberdash/apps/orders/service/placement"
	"haberdash/apps/orders/service/privacy"
	"haberdash/apps/orders/service/privacy/vault"
	"haberdash/apps/orders/service/routes"
	"haberdash/apps/orders/service/stock"
	"haberdash/apps/orders/service/views"
	"haberdash/internal/commitlog"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// Deps is what the service is made of.
type Deps struct {
	State     sidecar.State
	Invoker   sidecar.Invoker // reaches cart, catalog, and the feed of users
	Workflows sidecar.Workflows
	Log       *commitlog.Partition[order.State]
	ReadModel *readmodel.Orders
	Payments  payment.Provider
	Provider  string    // the name of Payments in the metrics
	Webhooks  *Webhooks // nil if the payment provider sends none
	Now       func() time.Time
	NewID     func() string // unique, in lower case
	Metrics   prometheus.Registerer

	Secret       string // from which ids, access tokens and the key of the vault are derived
	InvoiceYears int    // for how many calendar years after its own an invoice is kept
	Durations
}

// Webhooks are the webhooks of a payment provider.
type Webhooks struct {
	Reader            *webhook.Reader
	ReadAuthorisation lifecycle.ReadAuthorisation
}

// Durations are settings of the service.
type Durations struct {
	// ProviderTimeout is how long a request waits for the payment provider.
	ProviderTimeout time.Duration `env:"PROVIDER_PATIENCE" envDefault:"5s"`
	// Deadline is the age from which the lifecycle of an undecided order decides it.
	Deadline time.Duration `env:"ORDER_DEADLINE" envDefault:"10s"`
	// RejectAfter is the age at which an order is rejected if the payment provider does not answer.
	RejectAfter time.Duration `env:"ORDER_GIVE_UP" envDefault:"15m"`
	// ReservationTime is how long goods are reserved before catalog asks what became of the order.
	ReservationTime time.Duration `env:"RESERVATION_TIME" envDefault:"15m"`
	// AuthorisationLife is how long an authorisation can be captured: with Stripe 7 days for most cards. What is not
	// shipped by then is cancelled.
	AuthorisationLife time.Duration `env:"AUTHORIZATION_LIFE" envDefault:"160h"`
	// ReturnsFor is for how long after its last change a shipped order may be returned.
	ReturnsFor time.Duration `env:"RETURNS_FOR" envDefault:"720h"`
}

// Service places orders and completes their duties (order.Duties).
type Service struct {
	readModel *readmodel.Orders
	payments  payment.Provider
	webhooks  *Webhooks
	personal  *privacy.PersonalData
	lifecycle *lifecycle.Lifecycle
	outcomes  outcomes
	routes    *routes.Routes
	consumer  *consumer.Consumer
}

// New makes the service. It fails without a secret.
func New(d Deps) (*Service, error) {
	keys, err := vault.New(d.State, d.Secret, d.NewID, d.Now)
	if err != nil {
		return nil, err
	}
	orders, derived := orderlog.New(d.Log), ids.NewDeriver(d.Secret)
	personal := privacy.New(privacy.Options{Vault: keys, Orders: orders, ReadModel: d.ReadModel, IDs: derived, Now: d.Now,
		InvoiceYears: d.InvoiceYears})
	goods := stock.NewClient(d.Invoker, d.Now, d.ReservationTime)
	money := payments.NewClient(payments.Measure(d.Metrics, d.Provider, d.Payments), d.ProviderTimeout)
	stages := placement.NewStages(d.Metrics)
	decider := placement.NewDecider(placement.DeciderOptions{Orders: orders, Stock: goods, Payments: money, Now: d.Now,
		Stages: stages, RejectAfter: d.RejectAfter})
	placer := placement.NewPlacer(placement.Options{State: d.State, Apps: d.Invoker, Log: d.Log, Orders: orders,
		Decider: decider, Personal: personal, IDs: derived, Now: d.Now, Stages: stages,
		ProviderTimeout: d.ProviderTimeout})
	life := lifecycle.New(lifecycle.Options{State: d.State, Workflows: d.Workflows, Orders: orders,
		ReadModel: d.ReadModel, Decider: decider, Stock: goods, Payments: money,
		PlacementBusy: placer.Busy, Now: d.Now, Deadline: d.Deadline,
		AuthorisationLife: d.AuthorisationLife, ReturnsFor: d.ReturnsFor, Metrics: d.Metrics})
	s := &Service{readModel: d.ReadModel, payments: d.Payments, webhooks: d.Webhooks, personal: personal, lifecycle: life,
		outcomes: newOutcomes(d.Metrics)}
	s.routes = routes.New(routes.Options{Orders: orders, ReadModel: d.ReadModel, Placer: placer, Lifecycle: life,
		Personal: personal, Views: views.New(personal, orders), IDs: derived, NewID: d.NewID,
		Metrics: d.Metrics})
	s.consumer = consumer.New(consumer.Options{
		State: d.State, Fetch: consumer.FetchFrom(d.Invoker), Now: d.Now,
		Handlers: map[string]consumer.Handler{contract.UserDeleted: s.userDeleted},
	})
	return s, nil
}

// Mount serves the routes.
func (s *Service) Mount(api huma.API) {
	s.routes.Mount(api)
	s.personal.MountContacts(api)
	s.personal.MountErasures(api)
	if s.webhooks != nil {
		webhook.Mount(api, s.webhooks.Reader, s.handleWebhook)
	}
}

func (s *Service) handleWebhook(ctx context.Context, e webhook.Event) error {
	return s.lifecycle.CheckAuthorisation(ctx, e.OrderID, e.AuthorisationID, s.webhooks.ReadAuthorisation)
}

// userDeleted erases the personal data of a customer whose account is deleted, and the dead letters about them.
func (s *Service) userDeleted(ctx context.Context, event contract.Event) error {
	fact, err := contract.DecodeUserFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	if err := s.personal.EraseCustomer(ctx, fact.UserID); err != nil {
		return err
	}
	return s.consumer.DiscardMatching(ctx, func(e contract.Event) bool { return contract.Concerns(e, fact.UserID) })
}

// exportPayments passes the payment provider's records of all orders to put, if they are stored here.
func (s *Service) exportPayments(ctx context.Context, put func(sidecar.Item) error) error {
	exporter, stored := s.payments.(payments.Exporter)
	if !stored {
		return nil
	}
	return s.readModel.OrderIDs(ctx, func(orderIDs []string) error { return exporter.Export(ctx, orderIDs, put) })
}
