// Package service turns events into mails.
package service

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/internal/mail"
	"haberdash/internal/consumer"
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
	Invoker sidecar.Invoker // reaches the feeds, and users and orders for what a mail needs
	Sender  mail.Sender
	Letters *letters.Writer
	Now     func() time.Time
}

// Service mails customers.
type Service struct {
	Deps
	consumer *consumer.Consumer
	flight   singleflight.Group
	voided   prometheus.Counter
}

// New makes the service.
func New(d Deps) *Service {
	s := &Service{Deps: d, voided: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mails_void_total", Help: "Mails that were not needed any more: the token was used, or the account is deleted."})}
	s.consumer = consumer.New(consumer.Options{
		State: d.State, Fetch: consumer.FetchFrom(d.Invoker), Now: d.Now,
		Batches: map[string]consumer.BatchHandler{contract.OrderConfirmed: s.mailTogether(s.ordersConfirmed)},
		Handlers: map[string]consumer.Handler{
			contract.OrderConfirmed:            s.mail(s.ordersConfirmed),
			contract.UserVerificationRequested: s.mail(s.userMail(d.Letters.Verify)),
			contract.UserPasswordResetAsked:    s.mail(s.userMail(d.Letters.Reset)),
			contract.UserEmailChangeAsked:      s.mail(s.userMail(d.Letters.ChangeEmail)),
			contract.UserEmailChanged:          s.mail(s.userMail(func(name, _ string) (letters.Letter, error) { return d.Letters.EmailChanged(name) })),
			contract.UserDeleted:               s.userDeleted,
		},
	})
	return s
}

// userDeleted discards the dead letters of a deleted account. The marks of mails that were sent name events only.
func (s *Service) userDeleted(ctx context.Context, event contract.Event) error {
	fact, err := contract.DecodeUserFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	return s.consumer.DiscardMatching(ctx, func(e contract.Event) bool { return contract.Concerns(e, fact.UserID) })
}

// Why an event makes no letter and never will.
var (
	errBadData = errors.New("event is not understood")
	errVoid    = errors.New("there is nothing to write about any more")
)

// mail handles an event by a mail, at least once: the mark that it is mailed is set after the mail. The other
// way round a crash between the two would lose the mail, and a confirmation that comes twice is better than
// none. As a file the second is the first again, by its name.
func (s *Service) mail(compose composer) consumer.Handler {
	return func(ctx context.Context, event contract.Event) error {
		// One delivery of an event at a time: brokers may deliver one again while it is being handled.
		_, err, _ := s.flight.Do(event.ID, func() (any, error) { return nil, s.once(context.WithoutCancel(ctx), event, compose) })
		if errors.Is(err, errBadData) || errors.Is(err, mail.ErrUnsendable) {
			return consumer.Permanent(err)
		}
		return err
	}
}

// sendersAtOnce bounds how many mails of a batch are on their way.
const sendersAtOnce = 8

// mailTogether is mail for many: two calls of the store instead of two for each.
func (s *Service) mailTogether(compose composer) consumer.BatchHandler {
	return func(ctx context.Context, events []contract.Event) error {
		messages, err := compose(ctx, events)
		if err != nil {
			return err
		}
		marks := make([]string, len(messages))
		for i, message := range messages {
			marks[i] = markOf(message)
		}
		marked, err := s.State.GetMany(ctx, marks)
		if err != nil {
			return err
		}
		var (
			sent sync.Mutex
			done []sidecar.Item
			work errgroup.Group
		)
		work.SetLimit(sendersAtOnce)
		for i, message := range messages {
			if _, before := marked[marks[i]]; before {
				continue
			}
			work.Go(func() error {
				if err := s.Sender.Send(ctx, message); err != nil {
					return err
				}
				failpoint.Reach(afterSend)
				sent.Lock()
				defer sent.Unlock()
				done = append(done, sidecar.Item{Key: marks[i], Value: s.markValue(), TTL: markTTL})
				return nil
			})
		}
		err = work.Wait()
		// Also of those that went before one failed.
		if markErr := s.State.PutMany(context.WithoutCancel(ctx), done); markErr != nil {
			telemetry.Log(ctx).Warn().Err(markErr).Int("mails", len(done)).Msg("mails sent but not marked")
		}
		telemetry.Log(ctx).Info().Int("mails", len(done)).Msg("mails sent")
		return err
	}
}

func markOf(m mail.Message) string { return "mailed/" + m.FileName() }

func (s *Service) markValue() []byte {
	value, _ := json.Marshal(map[string]time.Time{"at": s.Now().UTC()})
	return value
}

// sendTime bounds the handling of one event.
const sendTime = 20 * time.Second

func (s *Service) once(ctx context.Context, event contract.Event, compose composer) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	messages, err := compose(ctx, []contract.Event{event})
	if err != nil || len(messages) == 0 {
		return err
	}
	message := messages[0]
	mark := markOf(message)
	item, err := s.State.Get(ctx, mark)
	if err != nil || item.Found() {
		return err
	}
	if err := s.Sender.Send(ctx, message); err != nil {
		return err
	}
	failpoint.Reach(afterSend)
	if err := s.State.Create(ctx, mark, s.markValue(), sidecar.TTL(markTTL)); err != nil && !errors.Is(err, sidecar.ErrExists) {
		// It is sent. To ask for the event again would only send it again.
		telemetry.Log(ctx).Warn().Err(err).Str("event", event.ID).Msg("mail sent but not marked")
	}
	telemetry.Log(ctx).Info().Str("event", event.ID).Str("type", event.Type).Msg("mail sent")
	return nil
}
