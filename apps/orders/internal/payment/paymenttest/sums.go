package paymenttest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/orders/internal/payment"
)

// ledger is the expected state of an authorisation.
type ledger struct {
	p    payment.Provider
	key  string
	auth payment.Authorisation

	status                    payment.Status
	total, captured, refunded int64
	moves                     []answered
}

// answered is a movement and its answer.
type answered struct {
	refund bool
	key    string
	amount int64
	answer payment.Movement
}

func sums(t *testing.T, a Account) {
	p := a.open(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := &ledger{p: p, key: newKey(), status: payment.Authorised, total: rapid.Int64Range(1, 60).Draw(rt, "total")}
		var err error
		l.auth, err = p.Authorise(rt.Context(), l.key, eur(l.total), a.Approved)
		require.NoError(rt, err)
		rt.Repeat(map[string]func(*rapid.T){
			"capture": func(rt *rapid.T) { l.move(rt, false, l.total-l.captured, &l.captured) },
			"refund":  func(rt *rapid.T) { l.move(rt, true, l.captured-l.refunded, &l.refunded) },
			"repeat":  l.repeat,
			"void":    l.void,
			"":        func(rt *rapid.T) { l.check(rt, a.Approved) },
		})
	})
}

func (l *ledger) do(rt *rapid.T, refund bool, key string, amount int64) (payment.Movement, error) {
	if refund {
		return l.p.Refund(rt.Context(), key, l.auth.ID, eur(amount))
	}
	return l.p.Capture(rt.Context(), key, l.auth.ID, eur(amount))
}

func (l *ledger) move(rt *rapid.T, refund bool, left int64, sum *int64) {
	amount, key := rapid.Int64Range(1, 40).Draw(rt, "amount"), newKey()
	m, err := l.do(rt, refund, key, amount)
	switch {
	case !refund && l.status == payment.Voided:
		require.ErrorIs(rt, err, payment.ErrVoided)
	case amount > left:
		require.ErrorIs(rt, err, payment.ErrExceeds)
	default:
		require.NoError(rt, err)
		require.Equal(rt, payment.Movement{ID: m.ID, Key: key, AuthorisationID: l.auth.ID, Amount: eur(amount)}, m)
		l.moves = append(l.moves, answered{refund, key, amount, m})
		*sum += amount
	}
	if l.captured == l.total {
		l.status = payment.Captured
	}
}

func (l *ledger) repeat(rt *rapid.T) {
	if len(l.moves) == 0 {
		rt.Skip("nothing to repeat")
	}
	d := rapid.SampledFrom(l.moves).Draw(rt, "move")
	m, err := l.do(rt, d.refund, d.key, d.amount)
	require.NoError(rt, err)
	require.Equal(rt, d.answer, m)
}

func (l *ledger) void(rt *rapid.T) {
	if rapid.IntRange(0, 4).Draw(rt, "rarely") > 0 {
		rt.Skip("voids are rare")
	}
	if l.status == payment.Authorised {
		l.status = payment.Voided
	}
	id := rapid.SampledFrom([]string{"", l.auth.ID}).Draw(rt, "id")
	_, err := l.p.Void(rt.Context(), l.key, eur(l.total), id)
	require.NoError(rt, err)
}

func (l *ledger) check(rt *rapid.T, token string) {
	got, err := l.p.Authorise(rt.Context(), l.key, eur(l.total), token)
	if l.status == payment.Voided {
		require.ErrorIs(rt, err, payment.ErrVoided)
	} else {
		require.NoError(rt, err)
	}
	want := l.auth
	want.Status, want.Captured, want.Refunded = l.status, eur(l.captured), eur(l.refunded)
	require.Equal(rt, want, got)
	require.True(rt, 0 <= l.refunded && l.refunded <= l.captured && l.captured <= l.total)
}
