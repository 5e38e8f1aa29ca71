// Package service turns events into mails.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// markTTL is how long an event is remembered as mailed: longer than a broker keeps its messages.
const markTTL = 90 * 24 * time.Hour

// Deps is what the service is made of.
type Deps struct {
	State   sidecar.State
	Sender  mail.Sender
	Letters *letters.Writer
	Now     func() time.Time
}

// Service mails customers.
type Service struct {
	Deps
	flight singleflight.Group
}

// New makes the service.
func New(d Deps) *Service { return &Service{Deps: d} }

// Listen subscribes the service to the events it writes about.
func (s *Service) Listen(events sidecar.Subscriber) {
	events.Subscribe(contract.TopicOrders, sidecar.Each(s.handle))
	events.Subscribe(contract.TopicUsers, sidecar.Each(s.handle))
}

// errBadData says that an event makes no letter and never will.
var errBadData = errors.New("event is not understood")

// handle mails what an event is about, at least once: the mark that it is mailed is set after the mail.
// The other way round a crash between the two would lose the mail, and a confirmation that comes twice is
// better than none. As a file the second is the first again, by its name.
func (s *Service) handle(ctx context.Context, d sidecar.Delivery) sidecar.Outcome {
	var event contract.Event
	if err := json.Unmarshal(d.Data, &event); err != nil {
		telemetry.Log(ctx).Error().Str("topic", d.Topic).Msg("event is not understood")
		return sidecar.Drop
	}
	compose, ok := s.composers()[event.Type]
	if !ok {
		return sidecar.Done
	}
	// One delivery of an event at a time: brokers may deliver one again while it is being handled.
	_, err, _ := s.flight.Do(event.ID, func() (any, error) { return nil, s.once(context.WithoutCancel(ctx), event, compose) })
	log := telemetry.Log(ctx).With().Str("event", event.ID).Str("type", event.Type).Logger()
	switch {
	case err == nil:
		return sidecar.Done
	case errors.Is(err, errBadData), errors.Is(err, mail.ErrUnsendable):
		log.Error().Err(err).Msg("no mail is made of this event")
		return sidecar.Drop
	}
	log.Warn().Err(err).Msg("mail not sent yet")
	return sidecar.Retry
}

type composer func(contract.Event) (mail.Message, error)

func (s *Service) composers() map[string]composer {
	return map[string]composer{
		contract.OrderConfirmed:            s.orderConfirmed,
		contract.UserVerificationRequested: s.userMail(s.Letters.Verify),
		contract.UserPasswordResetAsked:    s.userMail(s.Letters.Reset),
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
	value, _ := json.Marshal(map[string]time.Time{"at": s.Now().UTC()})
	if err := s.State.Create(ctx, mark, value, sidecar.TTL(markTTL)); err != nil && !errors.Is(err, sidecar.ErrExists) {
		// It is sent. To ask for the event again would only send it again.
		telemetry.Log(ctx).Warn().Err(err).Str("event", event.ID).Msg("mail sent but not marked")
	}
	telemetry.Log(ctx).Info().Str("event", event.ID).Str("type", event.Type).Msg("mail sent")
	return nil
}
