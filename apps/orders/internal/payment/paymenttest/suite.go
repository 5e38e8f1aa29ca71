// Package paymenttest is the conformance suite of the payment port: run it with every adapter.
package paymenttest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"haberdash/apps/orders/internal/payment"
	"haberdash/internal/money"
)

// Account is what the suite needs to know of a provider.
type Account struct {
	// Open gives an adapter, a further replica with each call: all share one account, which may have a
	// past, as the suite's keys are new with every run.
	Open        func(t *testing.T) payment.Provider
	Approved    string // a token whose payments succeed
	Declined    string // a token whose payments are declined
	DeclineCode string // as what
}

// Test runs the suite; the numbers are those of the package's rules. It repeats a call that ends in
// ErrProvider, as callers do: so an adapter may be tested over an unreliable ground.
func Test(t *testing.T, a Account) {
	run := func(name string, f func(t *testing.T, a Account)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, a)
		})
	}
	run("1 one key, one authorisation", oneAuthorisation)
	run("1 twenty attempts, one authorisation", twentyAttempts)
	run("2 a key means one request", keyReused)
	run("3 a decline is final", declineIsFinal)
	run("3 a voided key stays voided", voidIsFinal)
	run("3 a void meets attempts on their way", voidRace)
	run("4 sums hold, whatever is asked", sums)
	run("4 twenty captures of a tenth, ten succeed", twentyCaptures)
	run("5 one key, one capture", oneCapture)
	run("6 void releases the rest", voidRest)
	run("malformed requests are refused", invalid)
	run("an unknown authorisation moves nothing", unknown)
	run("an ended context is no answer", ended)
}

const workers = 20

func eur(amount int64) money.Money { return money.New(amount, "EUR") }

func newKey() string { return "test-" + rand.Text() }

func oneAuthorisation(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	_, known, err := p.Find(ctx, key)
	require.NoError(t, err)
	require.False(t, known)

	first, err := p.Authorise(ctx, key, eur(1999), a.Approved)
	require.NoError(t, err)
	assert.NotEmpty(t, first.ID)
	assert.WithinDuration(t, time.Now(), first.At, 24*time.Hour)
	assert.Equal(t, payment.Authorisation{
		ID: first.ID, Key: key, Amount: eur(1999), Captured: eur(0), Refunded: eur(0),
		Status: payment.Authorised, At: first.At,
	}, first)
	assert.Equal(t, eur(1999), first.Reserved())

	for _, p := range []payment.Provider{p, a.open(t)} {
		again, err := p.Authorise(ctx, key, eur(1999), a.Approved)
		require.NoError(t, err)
		assert.Equal(t, first, again)
		found, known, err := p.Find(ctx, key)
		require.NoError(t, err)
		assert.True(t, known)
		assert.Equal(t, first, found)
	}

	_, err = p.Capture(ctx, newKey(), first.ID, eur(1999))
	require.NoError(t, err)
	again, err := p.Authorise(ctx, key, eur(1999), a.Approved)
	require.NoError(t, err)
	assert.Equal(t, payment.Captured, again.Status, "a repetition tells the present state")
	assert.Equal(t, eur(0), again.Reserved())
}

func twentyAttempts(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	var got [workers]payment.Authorisation
	race(t, func(i int) (err error) {
		got[i], err = replicas[i%2].Authorise(t.Context(), key, eur(100), a.Approved)
		return err
	})
	for _, g := range got {
		assert.Equal(t, got[0], g)
	}
	// Were there two, both could be captured.
	_, err := replicas[0].Capture(t.Context(), newKey(), got[0].ID, eur(100))
	require.NoError(t, err)
	_, err = replicas[1].Capture(t.Context(), newKey(), got[1].ID, eur(1))
	require.ErrorIs(t, err, payment.ErrExceeds)
}

func keyReused(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	first, err := p.Authorise(ctx, key, eur(500), a.Approved)
	require.NoError(t, err)
	for _, amount := range []money.Money{eur(501), money.New(500, "USD")} {
		_, err = p.Authorise(ctx, key, amount, a.Approved)
		require.ErrorIs(t, err, payment.ErrKeyReused)
	}
	_, err = p.Authorise(ctx, key, eur(500), a.Declined)
	require.ErrorIs(t, err, payment.ErrKeyReused)
	assert.Equal(t, first, find(t, p, key))

	moved := newKey()
	_, err = p.Capture(ctx, moved, first.ID, eur(100))
	require.NoError(t, err)
	before := find(t, p, key)
	_, err = p.Capture(ctx, moved, first.ID, eur(99))
	require.ErrorIs(t, err, payment.ErrKeyReused)
	_, err = p.Refund(ctx, moved, first.ID, eur(100))
	require.ErrorIs(t, err, payment.ErrKeyReused)
	assert.Equal(t, before, find(t, p, key))
}

func declineIsFinal(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	for range 2 {
		got, err := p.Authorise(ctx, key, eur(500), a.Declined)
		var declined *payment.Declined
		require.ErrorAs(t, err, &declined)
		assert.Equal(t, a.DeclineCode, declined.Code)
		assert.Equal(t, payment.Refused, got.Status)
		assert.Equal(t, a.DeclineCode, got.DeclineCode)
		assert.Equal(t, eur(0), got.Reserved())
		assert.Equal(t, got, find(t, p, key))
		_, err = p.Capture(ctx, newKey(), got.ID, eur(500))
		require.Error(t, err)
		after, err := p.Void(ctx, key)
		require.NoError(t, err)
		assert.Equal(t, got, after, "there is nothing to void")
	}
}

func voidIsFinal(t *testing.T, a Account) {
	p, ctx, early, late := a.open(t), t.Context(), newKey(), newKey()
	first, err := p.Authorise(ctx, early, eur(500), a.Approved)
	require.NoError(t, err)
	for _, key := range []string{early, late} { // after an authorisation, and before any
		voided, err := p.Void(ctx, key)
		require.NoError(t, err)
		assert.Equal(t, payment.Voided, voided.Status)
		assert.Zero(t, voided.Reserved().Amount)
		got, err := p.Authorise(ctx, key, eur(500), a.Approved)
		require.ErrorIs(t, err, payment.ErrVoided)
		assert.Equal(t, voided, got)
		again, err := a.open(t).Void(ctx, key)
		require.NoError(t, err)
		assert.Equal(t, voided, again)
		assert.Equal(t, voided, find(t, p, key))
	}
	_, err = p.Capture(ctx, newKey(), first.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrVoided)
}

func voidRace(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	race(t, func(i int) error {
		if i == workers/2 {
			_, err := replicas[0].Void(t.Context(), key)
			return err
		}
		_, err := replicas[i%2].Authorise(t.Context(), key, eur(100), a.Approved)
		if errors.Is(err, payment.ErrVoided) {
			return nil
		}
		return err
	})
	got := find(t, replicas[0], key)
	assert.Equal(t, payment.Voided, got.Status)
	assert.Zero(t, got.Reserved().Amount)
}

func sums(t *testing.T, a Account) {
	p, ctx := a.open(t), t.Context()
	type done struct {
		refund bool
		key    string
		amount int64
		answer payment.Movement
	}
	rapid.Check(t, func(rt *rapid.T) {
		key, total := newKey(), rapid.Int64Range(1, 60).Draw(rt, "total")
		auth, err := p.Authorise(ctx, key, eur(total), a.Approved)
		require.NoError(rt, err)
		var captured, refunded int64
		var moves []done
		status := payment.Authorised
		do := func(refund bool, key string, amount int64) (payment.Movement, error) {
			if refund {
				return p.Refund(ctx, key, auth.ID, eur(amount))
			}
			return p.Capture(ctx, key, auth.ID, eur(amount))
		}
		fresh := func(refund bool, left int64, sum *int64) {
			amount, key := rapid.Int64Range(1, 40).Draw(rt, "amount"), newKey()
			m, err := do(refund, key, amount)
			switch {
			case !refund && status == payment.Voided:
				require.ErrorIs(rt, err, payment.ErrVoided)
			case amount > left:
				require.ErrorIs(rt, err, payment.ErrExceeds)
			default:
				require.NoError(rt, err)
				require.Equal(rt, payment.Movement{ID: m.ID, Key: key, AuthorisationID: auth.ID, Amount: eur(amount), At: m.At}, m)
				moves = append(moves, done{refund, key, amount, m})
				*sum += amount
			}
			if captured == total {
				status = payment.Captured
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"capture": func(*rapid.T) { fresh(false, total-captured, &captured) },
			"refund":  func(*rapid.T) { fresh(true, captured-refunded, &refunded) },
			"repeat": func(rt *rapid.T) {
				if len(moves) == 0 {
					rt.Skip("nothing to repeat")
				}
				d := rapid.SampledFrom(moves).Draw(rt, "move")
				m, err := do(d.refund, d.key, d.amount)
				require.NoError(rt, err)
				require.Equal(rt, d.answer, m)
			},
			"void": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "rarely") > 0 {
					rt.Skip("not now")
				}
				if status == payment.Authorised {
					status = payment.Voided
				}
				_, err := p.Void(ctx, key)
				require.NoError(rt, err)
			},
			"": func(rt *rapid.T) {
				got, known, err := p.Find(ctx, key)
				require.NoError(rt, err)
				require.True(rt, known)
				want := auth
				want.Status, want.Captured, want.Refunded = status, eur(captured), eur(refunded)
				require.Equal(rt, want, got)
				require.True(rt, 0 <= refunded && refunded <= captured && captured <= total)
			},
		})
	})
}

func twentyCaptures(t *testing.T, a Account) {
	key, replicas := newKey(), []payment.Provider{a.open(t), a.open(t)}
	auth, err := replicas[0].Authorise(t.Context(), key, eur(100), a.Approved)
	require.NoError(t, err)
	for _, move := range []func(p payment.Provider) error{
		func(p payment.Provider) error {
			_, err := p.Capture(t.Context(), newKey(), auth.ID, eur(10))
			return err
		},
		func(p payment.Provider) error {
			_, err := p.Refund(t.Context(), newKey(), auth.ID, eur(10))
			return err
		},
	} {
		var moved atomic.Int32
		race(t, func(i int) error {
			err := move(replicas[i%2])
			if errors.Is(err, payment.ErrExceeds) {
				return nil
			}
			moved.Add(1)
			return err
		})
		assert.EqualValues(t, 10, moved.Load())
	}
	got := find(t, replicas[0], key)
	assert.Equal(t, payment.Captured, got.Status)
	assert.Equal(t, eur(100), got.Captured)
	assert.Equal(t, eur(100), got.Refunded)
}

func oneCapture(t *testing.T, a Account) {
	key, moveKey, replicas := newKey(), newKey(), []payment.Provider{a.open(t), a.open(t)}
	auth, err := replicas[0].Authorise(t.Context(), key, eur(100), a.Approved)
	require.NoError(t, err)
	var got [workers]payment.Movement
	race(t, func(i int) (err error) {
		got[i], err = replicas[i%2].Capture(t.Context(), moveKey, auth.ID, eur(30))
		return err
	})
	for _, g := range got {
		assert.Equal(t, got[0], g)
	}
	assert.Equal(t, eur(30), find(t, replicas[0], key).Captured)
}

func voidRest(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	auth, err := p.Authorise(ctx, key, eur(100), a.Approved)
	require.NoError(t, err)
	moveKey := newKey()
	first, err := p.Capture(ctx, moveKey, auth.ID, eur(40))
	require.NoError(t, err)
	assert.Equal(t, eur(60), find(t, p, key).Reserved())
	got, err := p.Void(ctx, key)
	require.NoError(t, err)
	assert.Equal(t, payment.Voided, got.Status)
	assert.Equal(t, eur(40), got.Captured)
	assert.Equal(t, eur(0), got.Reserved())

	_, err = p.Capture(ctx, newKey(), auth.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrVoided)
	again, err := p.Capture(ctx, moveKey, auth.ID, eur(40))
	require.NoError(t, err, "a capture from before is still answered")
	assert.Equal(t, first, again)
	_, err = p.Refund(ctx, newKey(), auth.ID, eur(40))
	require.NoError(t, err)
	assert.Equal(t, eur(40), find(t, p, key).Refunded)

	whole := newKey()
	auth, err = p.Authorise(ctx, whole, eur(100), a.Approved)
	require.NoError(t, err)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(100))
	require.NoError(t, err)
	got, err = p.Void(ctx, whole)
	require.NoError(t, err)
	assert.Equal(t, payment.Captured, got.Status, "nothing was left to void")
}

func invalid(t *testing.T, a Account) {
	p, ctx, key := a.open(t), t.Context(), newKey()
	for _, amount := range []money.Money{eur(0), eur(-1), money.New(1, "XXX"), {}} {
		_, err := p.Authorise(ctx, key, amount, a.Approved)
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	for _, bad := range []string{"", "a||b", "line\nfeed", "ä", strings.Repeat("k", 201)} {
		_, err := p.Authorise(ctx, bad, eur(1), a.Approved)
		require.ErrorIs(t, err, payment.ErrInvalid)
		_, _, err = p.Find(ctx, bad)
		require.ErrorIs(t, err, payment.ErrInvalid)
		_, err = p.Void(ctx, bad)
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	_, known, err := p.Find(ctx, key)
	require.NoError(t, err)
	require.False(t, known)

	auth, err := p.Authorise(ctx, key, eur(100), a.Approved)
	require.NoError(t, err)
	for _, amount := range []money.Money{eur(0), eur(-1), money.New(10, "USD")} {
		_, err = p.Capture(ctx, newKey(), auth.ID, amount)
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	_, err = p.Capture(ctx, "", auth.ID, eur(1))
	require.ErrorIs(t, err, payment.ErrInvalid)
	_, err = p.Capture(ctx, newKey(), auth.ID, eur(100))
	require.NoError(t, err)
	before := find(t, p, key)
	for _, amount := range []money.Money{eur(0), eur(-1), money.New(10, "USD")} {
		_, err = p.Refund(ctx, newKey(), auth.ID, amount)
		require.ErrorIs(t, err, payment.ErrInvalid)
	}
	assert.Equal(t, before, find(t, p, key))
}

func unknown(t *testing.T, a Account) {
	p, ctx := a.open(t), t.Context()
	for _, id := range []string{"", "no-such-authorisation"} {
		_, err := p.Capture(ctx, newKey(), id, eur(1))
		require.ErrorIs(t, err, payment.ErrNotFound)
		_, err = p.Refund(ctx, newKey(), id, eur(1))
		require.ErrorIs(t, err, payment.ErrNotFound)
	}
}

func ended(t *testing.T, a Account) {
	p, key := a.open(t), newKey()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Authorise(ctx, key, eur(1), a.Approved)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, err = p.Void(ctx, key)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	_, _, err = p.Find(ctx, key)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
}

func find(t *testing.T, p payment.Provider, key string) payment.Authorisation {
	t.Helper()
	got, known, err := p.Find(t.Context(), key)
	require.NoError(t, err)
	require.True(t, known)
	return got
}

// race releases all workers at once and wants no error of any.
func race(t *testing.T, f func(i int) error) {
	t.Helper()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			<-start
			assert.NoError(t, f(i))
		})
	}
	close(start)
	wg.Wait()
}

// open gives an adapter whose calls are repeated after ErrProvider.
func (a Account) open(t *testing.T) payment.Provider { return patient{a.Open(t)} }

type patient struct{ payment.Provider }

func retry[T any](f func() (T, error)) (v T, err error) {
	for range 100 {
		if v, err = f(); !errors.Is(err, payment.ErrProvider) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return v, err
}

func (p patient) Authorise(ctx context.Context, key string, amount money.Money, token string) (payment.Authorisation, error) {
	return retry(func() (payment.Authorisation, error) { return p.Provider.Authorise(ctx, key, amount, token) })
}

func (p patient) Find(ctx context.Context, key string) (a payment.Authorisation, known bool, err error) {
	a, err = retry(func() (payment.Authorisation, error) {
		a, known, err = p.Provider.Find(ctx, key)
		return a, err
	})
	return a, known, err
}

func (p patient) Capture(ctx context.Context, key, authorisationID string, amount money.Money) (payment.Movement, error) {
	return retry(func() (payment.Movement, error) { return p.Provider.Capture(ctx, key, authorisationID, amount) })
}

func (p patient) Void(ctx context.Context, key string) (payment.Authorisation, error) {
	return retry(func() (payment.Authorisation, error) { return p.Provider.Void(ctx, key) })
}

func (p patient) Refund(ctx context.Context, key, authorisationID string, amount money.Money) (payment.Movement, error) {
	return retry(func() (payment.Movement, error) { return p.Provider.Refund(ctx, key, authorisationID, amount) })
}
