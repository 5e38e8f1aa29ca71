package service

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
)

func TestMailsAreCountedByKindAndOutcome(t *testing.T) {
	t.Parallel()
	f, reg := newFixture(t), prometheus.NewRegistry()
	f.service.metrics = newMetrics(reg)
	needed, used := contract.UserFact{UserID: "u1", MailID: "m1"}, contract.UserFact{UserID: "u1", MailID: "m2"}
	f.deliver(event("e1", contract.UserVerificationRequested, needed))
	f.deliver(event("e2", contract.UserPasswordResetAsked, used))
	f.binding.err = errors.New("down")
	f.deliver(event("e3", contract.UserEmailChanged, needed))
	f.binding.err = nil
	f.deliver(event("e3", contract.UserEmailChanged, needed))
	f.deliver(event("e3", contract.UserEmailChanged, needed)) // sent already
	for _, e := range f.confirmations("a", "victim@example.com", 12) {
		f.deliver(e)
	}
	for _, e := range f.confirmations("b", "no address", 1) {
		f.deliver(e)
	}
	families, err := reg.Gather()
	require.NoError(t, err)
	counts := map[string]float64{}
	attempts := uint64(0)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if h := m.GetHistogram(); h != nil {
				attempts = h.GetSampleCount()
			}
			if family.GetName() == "mails_total" && m.GetCounter().GetValue() > 0 {
				counts[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	require.Equal(t, map[string]float64{
		"verification sent": 1, "password-reset void": 1, "email-changed failed": 1, "email-changed sent": 1,
		"order-confirmed sent": 10, "order-confirmed dropped": 2, "order-confirmed refused": 1,
	}, counts)
	require.EqualValues(t, 14, attempts)
	require.NoError(t, testutil.CollectAndCompare(f.service.metrics.dropped, strings.NewReader(
		"# HELP mails_dropped_total Mails about orders that were not sent because their mailbox had got too many.\n"+
			"# TYPE mails_dropped_total counter\nmails_dropped_total 2\n")))
}
