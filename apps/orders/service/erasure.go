package service

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/orders/service/vault"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// newConsumer follows the log of users: what they want erased is erased here too.
func (s *Service) newConsumer() *commitlog.Consumer {
	return commitlog.NewConsumer(commitlog.ConsumerOptions{
		State: s.State, Fetch: logapi.Fetch(s.Invoker), Now: s.Now,
		Logs:     []commitlog.LogName{{Source: "users", Partition: "users"}},
		Handlers: map[string]commitlog.EventHandler{contract.UserDeleted: s.deleted},
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
		return commitlog.Poison(errors.New("the user is not understood"))
	}
	if err := s.Vault.Destroy(ctx, vault.ContactKey(fact.UserID)); err != nil {
		return err
	}
	return s.consumer.ForgetUser(ctx, event)
}
