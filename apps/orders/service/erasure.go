package service

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/service/vault"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
)

// newConsumer follows the log of users: what they want erased is erased here too.
func (s *Service) newConsumer() *consumer.Consumer {
	return consumer.New(consumer.Options{
		State: s.State, Fetch: consumer.FetchFrom(s.Invoker), Now: s.Now,
		Logs:     []consumer.Log{{Source: "users", Partition: "users"}},
		Handlers: map[string]consumer.Handler{contract.UserDeleted: s.deleted},
	})
}

// Measure adds the service's own figures to a registry; before Listen.
func (s *Service) Measure(reg prometheus.Registerer) { logapi.Measure(reg, s.consumer) }

// Listen subscribes the service to the events it lives on.
func (s *Service) Listen(events sidecar.Subscriber) {
	s.consumer.Subscribe(events, "orders", contract.TopicUsers)
}

// Run catches up with events that no delivery brings, until ctx ends.
func (s *Service) Run(ctx context.Context) { s.consumer.Run(ctx) }

// deleted destroys the key of a customer who is no more, and with it what it sealed in the log.
func (s *Service) deleted(ctx context.Context, event contract.Event) error {
	var fact contract.UserFact
	if json.Unmarshal(event.Data, &fact) != nil || fact.UserID == "" {
		return consumer.Permanent(errors.New("the user is not understood"))
	}
	if err := s.Vault.Destroy(ctx, vault.ContactKey(fact.UserID)); err != nil {
		return err
	}
	return s.consumer.ForgetUser(ctx, event)
}

// mountErasures adds what an operator may have erased: no account's deletion does. The service's own sidecar alone is
// let in.
func (s *Service) mountErasures(api huma.API) {
	op := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodPost, Path: "/internal/erasures" + path, Summary: summary,
			Tags: []string{"Internal"}, DefaultStatus: http.StatusNoContent, Errors: []int{404, 409, 422, 503}}
	}
	httpx.Register(api, op("internal-erase-guest", "/orders/{id}", "Erase who placed a guest's order"), s.eraseGuest)
	httpx.Register(api, op("internal-erase-invoices", "/invoices/{year}", "Erase the names and addresses of a year's invoices"), s.eraseInvoices)
}

func (s *Service) eraseGuest(ctx context.Context, in *PartOf) (*struct{}, error) {
	o, _, err := s.Book.Get(ctx, in.ID)
	switch {
	case err != nil:
		return nil, err
	case o.Customer != "":
		return nil, fault.New(fault.Conflict, "not-a-guest", "The order is a customer's: with the account it is erased.")
	case o.Request.Contact.Key == "":
		return nil, fault.New(fault.Conflict, "not-sealed", "The order is of the time before contacts were sealed: the log has it for ever.")
	}
	return nil, destroyed(s.Vault.Destroy(ctx, o.Request.Contact.Key))
}

type invoicesInput struct {
	Year int `path:"year" minimum:"2000" maximum:"9999"`
}

// eraseInvoices refuses a year that is not over for as long as invoices must be kept. What is erased does not come
// back, so a year too many is worse than one too few.
func (s *Service) eraseInvoices(ctx context.Context, in *invoicesInput) (*struct{}, error) {
	if until := in.Year + s.InvoiceYears; s.Now().UTC().Year() <= until {
		return nil, fault.New(fault.Conflict, "still-kept", "Invoices of %d are kept until the end of %d.", in.Year, until).With("until", until)
	}
	return nil, destroyed(s.Vault.Destroy(ctx, vault.InvoiceKey(in.Year)))
}

func destroyed(err error) error {
	if err != nil {
		return outage(err)
	}
	return nil
}
