package service

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/notifications/service/mail"
	"haberdash/internal/contract"
)

// kinds are the kinds of mails as labels, by the type of the event that a mail is about.
var kinds = map[string]string{
	contract.OrderConfirmed:            "order-confirmed",
	contract.UserVerificationRequested: "verification",
	contract.UserPasswordResetAsked:    "password-reset",
	contract.UserEmailChangeAsked:      "email-change",
	contract.UserRegistrationRepeated:  "registration-repeated",
	contract.UserEmailChanged:          "email-changed",
	contract.UserSecondFactorAdded:     "second-factor-added",
	contract.UserSecondFactorRemoved:   "second-factor-removed",
}

// outcome is what became of a mail.
type outcome string

// The outcomes.
const (
	sent    outcome = "sent"
	failed  outcome = "failed"  // another attempt follows
	refused outcome = "refused" // the recipient's address is not valid, or the mail server refuses it for good
	dropped outcome = "dropped" // the mailbox had got too many
	void    outcome = "void"    // not needed any more
)

// metrics count mails by kind and outcome. The two counters without kinds are those of alerts.
type metrics struct {
	mails         map[string]map[outcome]prometheus.Counter // by the type of the event
	dropped, void prometheus.Counter
	seconds       prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	mails := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mails_total", Help: "Mails by kind and outcome. A mail that failed is tried again.",
	}, []string{"kind", "outcome"})
	m := &metrics{
		mails: map[string]map[outcome]prometheus.Counter{},
		void: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mails_void_total",
			Help: "Mails that were not needed any more: the token was used, or the account is deleted."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mails_dropped_total",
			Help: "Mails about orders that were not sent because their mailbox had got too many."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mail_send_duration_seconds", Help: "Time of an attempt to hand a mail to the mail server.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}}),
	}
	reg.MustRegister(mails, m.void, m.dropped, m.seconds)
	for event, kind := range kinds {
		m.mails[event] = map[outcome]prometheus.Counter{}
		for _, end := range []outcome{sent, failed, refused, dropped, void} {
			if end != dropped || event == contract.OrderConfirmed { // the users service bounds the others
				m.mails[event][end] = mails.WithLabelValues(kind, string(end))
			}
		}
	}
	return m
}

// attempted counts an attempt to send a mail, which ended with err.
func (m *metrics) attempted(event string, began time.Time, err error) {
	m.seconds.Observe(time.Since(began).Seconds())
	end := sent
	switch {
	case errors.Is(err, mail.ErrUnsendable):
		end = refused
	case err != nil:
		end = failed
	}
	m.mails[event][end].Inc()
}

// droppedOne counts a mail that its mailbox must not get.
func (m *metrics) droppedOne(event string) {
	m.dropped.Inc()
	m.mails[event][dropped].Inc()
}

// voidOne counts a mail that is not needed any more.
func (m *metrics) voidOne(event string) {
	m.void.Inc()
	m.mails[event][void].Inc()
}
