// Package service turns events into mails.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/failpoint"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// markTTL is how long an event is remembered as mailed: longer than a broker keeps its messages.
const markTTL = 90 * 24 * time.Hour

// Deps is what the service is made of.
type Deps struct {
	State   sidecar.State
	Invoker sidecar.Invoker // reaches the feed of orders
	Sender  mail.Sender
	Letters *letters.Writer
	Now     func() time.Time
}

// Service mails customers.
type Service struct {
	Deps
	consumer *commitlog.Consumer
	flight   singleflight.Group
}

// New makes the service.
func New(d Deps) *Service {
	s := &Service{Deps: d}
	s.consumer = commitlog.NewConsumer(commitlog.ConsumerOptions{
		State: d.State, Fetch: logapi.Fetch(d.Invoker), Now: d.Now, Logs: []commitlog.LogName{{Source: "orders", Partition: "orders"}},
		Handlers: map[string]commitlog.EventHandler{
			contract.OrderConfirmed:            s.mail(s.orderConfirmed),
			contract.UserVerificationRequested: s.mail(s.userMail(d.Letters.Verify)),
			contract.UserPasswordResetAsked:    s.mail(s.userMail(d.Letters.Reset)),
		},
	})
	return s
}

// Measure adds the service's own figures to a registry; before Listen.
func (s *Service) Measure(reg prometheus.Registerer) { logapi.Measure(reg, s.consumer) }

// Listen subscribes the service to the events it writes about.
func (s *Service) Listen(events sidecar.Subscriber) {
	s.consumer.Subscribe(events, "notifications", contract.TopicOrders, contract.TopicUsers)
}

// Mount puts the service's operations on an API: they are for its operators.
func (s *Service) Mount(api huma.API) { logapi.MountConsumer(api, "notifications", s.consumer) }

// Run catches up with events that no delivery brings, until ctx ends.
func (s *Service) Run(ctx context.Context) { s.consumer.Run(ctx) }

// errBadData says that an event makes no letter and never will.
var errBadData = errors.New("event is not understood")

type composer func(contract.Event) (mail.Message, error)

// mail handles an event by a mail, at least once: the mark that it is mailed is set after the mail. The other
// way round a crash between the two would lose the mail, and a confirmation that comes twice is better than
// none. As a file the second is the first again, by its name.
func (s *Service) mail(compose composer) commitlog.EventHandler {
	return func(ctx context.Context, event contract.Event) error {
		// One delivery of an event at a time: brokers may deliver one again while it is being handled.
		_, err, _ := s.flight.Do(event.ID, func() (any, error) { return nil, s.once(context.WithoutCancel(ctx), event, compose) })
		if errors.Is(err, errBadData) || errors.Is(err, mail.ErrUnsendable) {
			return commitlog.Poison(err)
		}
		return err
	}
}

// sendTime bounds the handling of one event.
const sendTime = 20 * time.Second

func (s *Service) once(ctx context.Context, event contract.Event, compose composer) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	message, err := compose(event)
	if err != nil {
		return err
	}
	mark := "mailed/" + message.FileName()
	item, err := s.State.Get(ctx, mark)
	if err != nil || item.Found() {
		return err
	}
	if err := s.Sender.Send(ctx, message); err != nil {
		return err
	}
	failpoint.Reach(afterSend)
	value, _ := json.Marshal(map[string]time.Time{"at": s.Now().UTC()})
	if err := s.State.Create(ctx, mark, value, sidecar.TTL(markTTL)); err != nil && !errors.Is(err, sidecar.ErrExists) {
		// It is sent. To ask for the event again would only send it again.
		telemetry.Log(ctx).Warn().Err(err).Str("event", event.ID).Msg("mail sent but not marked")
	}
	telemetry.Log(ctx).Info().Str("event", event.ID).Str("type", event.Type).Msg("mail sent")
	return nil
}
