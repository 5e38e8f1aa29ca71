// Package service mails customers when their order is confirmed, and when the users service asks them to verify an
// address, to reset a password, or tells them of a changed address or second factor.
package service

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"haberdash/apps/notifications/internal/letters"
	"haberdash/apps/notifications/service/mail"
	"haberdash/internal/consumer"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// Deps are the dependencies of the service.
type Deps struct {
	State   sidecar.State
	Invoker sidecar.Invoker // reads the feeds, and calls users and orders for the data of a mail
	Sender  mail.Sender
	Letters *letters.Writer
	Now     func() time.Time
	Metrics prometheus.Registerer // none if nil
}

// Service sends mails to customers.
type Service struct {
	Deps
	consumer   *consumer.Consumer
	deliveries singleflight.Group // by event id
	metrics    *metrics
}

// New makes the service.
func New(d Deps) *Service {
	if d.Metrics == nil {
		d.Metrics = prometheus.NewRegistry()
	}
	s := &Service{Deps: d, metrics: newMetrics(d.Metrics)}
	notice := func(write func(name string) (letters.Letter, error)) consumer.Handler {
		return s.mailHandler(s.composeUserMail(func(to contract.UserLetter) (letters.Letter, error) {
			return write(to.Name)
		}))
	}
	withToken := func(write func(name, token string) (letters.Letter, error)) consumer.Handler {
		return s.mailHandler(s.composeUserMail(func(to contract.UserLetter) (letters.Letter, error) {
			return write(to.Name, to.Token)
		}))
	}
	verify := s.composeUserMail(func(to contract.UserLetter) (letters.Letter, error) {
		return d.Letters.Verify(to.Name, to.Token, to.RegisteredAt)
	})
	s.consumer = consumer.New(consumer.Options{
		State: d.State, Fetch: consumer.FetchFrom(d.Invoker), Now: d.Now,
		Batches: map[string]consumer.BatchHandler{contract.OrderConfirmed: s.mailBatchHandler(s.composeOrderMails)},
		Handlers: map[string]consumer.Handler{
			contract.OrderConfirmed:            s.mailHandler(s.composeOrderMails),
			contract.UserVerificationRequested: s.mailHandler(verify),
			contract.UserPasswordResetAsked:    withToken(d.Letters.Reset),
			contract.UserEmailChangeAsked:      withToken(d.Letters.ChangeEmail),
			contract.UserRegistrationRepeated:  notice(d.Letters.RegistrationRepeated),
			contract.UserEmailChanged:          notice(d.Letters.EmailChanged),
			contract.UserSecondFactorAdded:     notice(d.Letters.SecondFactorAdded),
			contract.UserSecondFactorRemoved:   notice(d.Letters.SecondFactorRemoved),
			contract.UserDeleted:               s.userDeleted,
		},
	})
	return s
}

// userDeleted discards the dead letters of a deleted account. The marks of sent mails name events only, and
// the allowances of mailboxes digests, for some hours.
func (s *Service) userDeleted(ctx context.Context, event contract.Event) error {
	user, err := contract.DecodeUserFact(event)
	if err != nil {
		return consumer.Permanent(err)
	}
	return s.consumer.DiscardMatching(ctx, func(e contract.Event) bool { return contract.Concerns(e, user.UserID) })
}
