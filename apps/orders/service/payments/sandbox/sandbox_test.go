package sandbox_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/internal/payment"
	"haberdash/apps/orders/internal/payment/paymenttest"
	"haberdash/apps/orders/service/payments/sandbox"
	"haberdash/internal/money"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

func TestSandbox(t *testing.T) {
	t.Parallel()
	conform(t, memory.NewState())
}

func TestSandboxOverLostWrites(t *testing.T) {
	t.Parallel()
	conform(t, &flaky{State: memory.NewState()})
}

func conform(t *testing.T, state sidecar.State) {
	paymenttest.Test(t, paymenttest.Account{
		Open: func(*testing.T) payment.Provider {
			return sandbox.New(state, time.Now, sandbox.Sleep)
		},
		Approved: sandbox.TokenVisa, Declined: sandbox.TokenDeclined, DeclineCode: payment.CardDeclined,
		WholeOnly: sandbox.TokenSingleCapture,
	})
}

var errLost = errors.New("connection reset")

// flaky is a store that answers a quarter of the writes with an error, half of them after the write.
type flaky struct{ *memory.State }

func (f *flaky) write(key string, value []byte, write func() error) error {
	roll := rand.Float64()
	if roll < 0.125 {
		return errLost
	}
	err := write()
	if err != nil { // the port promises that a writer's own value is no conflict
		if now, _ := f.Get(context.Background(), key); string(now.Value) == string(value) {
			err = nil
		}
	}
	if roll < 0.25 {
		return errLost
	}
	return err
}

func (f *flaky) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.write(key, value, func() error { return f.State.Create(ctx, key, value, opts...) })
}

func (f *flaky) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.write(key, value, func() error { return f.State.Put(ctx, key, value, etag, opts...) })
}

var (
	noon  = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	price = money.New(1999, "EUR")
)

func mustNotSleep(context.Context, time.Duration) error { panic("must not sleep") }

func open(state sidecar.State) *sandbox.Provider {
	return sandbox.New(state, func() time.Time { return noon }, mustNotSleep)
}

func TestAnswersFollowTheToken(t *testing.T) {
	t.Parallel()
	for token, code := range map[string]string{
		sandbox.TokenVisa:              "",
		sandbox.TokenDeclined:          payment.CardDeclined,
		sandbox.TokenInsufficientFunds: payment.InsufficientFunds,
		"tok_unheard_of":               payment.InvalidToken,
		"":                             payment.InvalidToken,
	} {
		got, err := open(memory.NewState()).Authorise(t.Context(), "order", price, token)
		assert.Equal(t, noon, got.At)
		assert.Equal(t, code, got.DeclineCode)
		if code == "" {
			require.NoError(t, err)
			continue
		}
		var declined *payment.Declined
		require.ErrorAs(t, err, &declined, token)
		assert.Equal(t, code, declined.Code)
	}
}

func TestSlowTokenSleepsOnce(t *testing.T) {
	t.Parallel()
	state, ctx := memory.NewState(), t.Context()
	var slept []time.Duration
	s := sandbox.New(state, time.Now, func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		return nil
	})
	for range 2 {
		_, err := s.Authorise(ctx, "order", price, sandbox.TokenSlow)
		require.NoError(t, err)
	}
	assert.Equal(t, []time.Duration{2 * time.Second}, slept)
}

func TestSlowTokenSucceedsAtTheNextAttemptOfACallerThatTimedOut(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := sandbox.New(state, time.Now, sandbox.Sleep).Authorise(ctx, "order", price, sandbox.TokenSlow)
	require.ErrorIs(t, err, payment.ErrNoAnswer)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = open(state).Authorise(t.Context(), "order", price, sandbox.TokenSlow)
	require.NoError(t, err)
}

func TestSlowTokenVoidedWhileItWaits(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	s := sandbox.New(state, time.Now, func(ctx context.Context, _ time.Duration) error {
		_, err := open(state).Void(ctx, "order", price, "")
		return err
	})
	got, err := s.Authorise(t.Context(), "order", price, sandbox.TokenSlow)
	require.ErrorIs(t, err, payment.ErrVoided)
	assert.Equal(t, payment.Voided, got.Status)
}

func TestTimeoutTokenAnswersTheSecondAttempt(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := open(state).Authorise(ctx, "order", price, sandbox.TokenTimeout)
	require.ErrorIs(t, err, payment.ErrNoAnswer)

	restarted := open(state)
	found, known, err := restarted.Find(t.Context(), "order")
	require.NoError(t, err)
	require.True(t, known)
	got, err := restarted.Authorise(t.Context(), "order", price, sandbox.TokenTimeout)
	require.NoError(t, err)
	assert.Equal(t, found, got)
	assert.Equal(t, payment.Authorised, got.Status)
}

func TestErrorTokenFailsTwice(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	for range 2 {
		_, err := open(state).Authorise(t.Context(), "order", price, sandbox.TokenError)
		require.ErrorIs(t, err, payment.ErrProvider)
		_, known, err := open(state).Find(t.Context(), "order")
		require.NoError(t, err)
		assert.False(t, known)
	}
	_, err := open(state).Authorise(t.Context(), "order", money.New(1, "EUR"), sandbox.TokenError)
	require.ErrorIs(t, err, payment.ErrKeyReused, "a failed attempt binds the key too")
	got, err := open(state).Authorise(t.Context(), "order", price, sandbox.TokenError)
	require.NoError(t, err)
	assert.Equal(t, payment.Authorised, got.Status)
}

func TestVoidEndsTheAttemptsWithTheErrorToken(t *testing.T) {
	t.Parallel()
	s, ctx := open(memory.NewState()), t.Context()
	_, err := s.Authorise(ctx, "order", price, sandbox.TokenError)
	require.ErrorIs(t, err, payment.ErrProvider)
	_, err = s.Void(ctx, "order", price, "")
	require.NoError(t, err)
	for range 3 {
		_, err = s.Authorise(ctx, "order", price, sandbox.TokenError)
		require.ErrorIs(t, err, payment.ErrVoided)
	}
}

// crowd is a store whose first twenty writers wait for each other, so that all contend for the first write. It counts
// the writes that succeed.
type crowd struct {
	*memory.State
	all     sync.WaitGroup
	waiting atomic.Int32
	written atomic.Int32
}

const workers = 20

func newCrowd() *crowd {
	c := &crowd{State: memory.NewState()}
	c.all.Add(workers)
	c.waiting.Store(workers)
	return c
}

func (c *crowd) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if c.waiting.Add(-1) >= 0 {
		c.all.Done()
		c.all.Wait()
	}
	return c.count(c.State.Create(ctx, key, value, opts...))
}

func (c *crowd) Put(ctx context.Context, key string, value []byte, etag string, opts ...sidecar.PutOption) error {
	return c.count(c.State.Put(ctx, key, value, etag, opts...))
}

func (c *crowd) count(err error) error {
	if err == nil {
		c.written.Add(1)
	}
	return err
}

func TestTwentyAttemptsDecideOnce(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]struct{ unanswered, failed, written int32 }{
		sandbox.TokenVisa:    {0, 0, 1},
		sandbox.TokenTimeout: {1, 0, 1},
		sandbox.TokenError:   {0, 2, 3},
	} {
		state := newCrowd()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var unanswered, failed, answered atomic.Int32
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				got, err := open(state).Authorise(ctx, "order", price, token)
				switch {
				case errors.Is(err, payment.ErrNoAnswer):
					unanswered.Add(1)
				case errors.Is(err, payment.ErrProvider):
					failed.Add(1)
				case assert.NoError(t, err):
					assert.Equal(t, payment.Authorised, got.Status)
					answered.Add(1)
				}
				if answered.Load()+failed.Load() == workers-want.unanswered {
					cancel() // only the attempt without an answer is left
				}
			})
		}
		wg.Wait()
		cancel()
		assert.Equal(t, want.unanswered, unanswered.Load(), token)
		assert.Equal(t, want.failed, failed.Load(), token)
		assert.Equal(t, want.written, state.written.Load(), token)
	}
}

// overtaken is a store in which another attempt writes right after the first write, which is then reported as lost.
type overtaken struct {
	*memory.State
	then func()
}

func (o *overtaken) Create(ctx context.Context, key string, value []byte, opts ...sidecar.PutOption) error {
	if err := o.State.Create(ctx, key, value, opts...); err != nil {
		return err
	}
	o.then()
	return sidecar.ErrExists
}

func TestAnAttemptFindsItsOverwrittenWrite(t *testing.T) {
	t.Parallel()
	state, ctx := memory.NewState(), t.Context()
	s := open(&overtaken{state, func() {
		_, err := open(state).Authorise(ctx, "order", price, sandbox.TokenError)
		require.ErrorIs(t, err, payment.ErrProvider)
	}})
	_, err := s.Authorise(ctx, "order", price, sandbox.TokenError)
	require.ErrorIs(t, err, payment.ErrProvider, "it failed, and is not the third attempt")
	_, known, err := open(state).Find(ctx, "order")
	require.NoError(t, err)
	require.False(t, known)
	_, err = open(state).Authorise(ctx, "order", price, sandbox.TokenError)
	require.NoError(t, err)
}

func TestGuessedIDsMoveNothing(t *testing.T) {
	t.Parallel()
	s, ctx := open(memory.NewState()), t.Context()
	_, err := s.Void(ctx, "voided", price, "")
	require.NoError(t, err)
	_, err = s.Authorise(ctx, "failed", price, sandbox.TokenError)
	require.ErrorIs(t, err, payment.ErrProvider)
	for _, id := range []string{"sandbox_unheard-of", "sandbox_voided", "sandbox_failed", "sandbox_", "sandbox_a||b"} {
		_, err = s.Capture(ctx, "c", id, price)
		require.ErrorIs(t, err, payment.ErrNotFound, id)
		_, err = s.Refund(ctx, "r", id, price)
		require.ErrorIs(t, err, payment.ErrNotFound, id)
	}
}

func TestStoredDocumentsOfEarlierReleasesAreRead(t *testing.T) {
	t.Parallel()
	const document = `{"status":"voided","token":"tok_visa",` +
		`"amount":{"amount":1999,"currency":"EUR"},"captured":{"amount":700,"currency":"EUR"},` +
		`"refunded":{"amount":200,"currency":"EUR"},"at":"2030-01-02T12:00:00Z","decider":"ATTEMPT","movements":[` +
		`{"id":"sandbox_order_1","kind":"capture","key":"c1","amount":{"amount":700,"currency":"EUR"},` +
		`"at":"2030-01-02T12:00:00Z"},` +
		`{"id":"sandbox_order_2","kind":"refund","key":"r1","amount":{"amount":200,"currency":"EUR"},` +
		`"at":"2030-01-02T12:00:00Z"}]}`
	state, ctx := memory.NewState(), t.Context()
	require.NoError(t, state.Create(ctx, "payment/order", []byte(document)))
	s := open(state)
	got, _, err := s.Find(ctx, "order")
	require.NoError(t, err)
	assert.Equal(t, payment.Authorisation{
		ID: "sandbox_order", Key: "order", Amount: price, Captured: money.New(700, "EUR"),
		Refunded: money.New(200, "EUR"), Status: payment.Voided, At: noon,
	}, got)
	refund, err := s.Refund(ctx, "r1", "sandbox_order", money.New(200, "EUR"))
	require.NoError(t, err)
	assert.Equal(t, "sandbox_order_2", refund.ID)

	_, err = s.Refund(ctx, "r2", "sandbox_order", money.New(1, "EUR"))
	require.NoError(t, err)
	_, err = s.Authorise(ctx, "order", price, sandbox.TokenVisa)
	require.ErrorIs(t, err, payment.ErrVoided)
	item, err := state.Get(ctx, "payment/order")
	require.NoError(t, err)
	assert.JSONEq(t, document[:len(document)-2]+
		`,{"id":"sandbox_order_3","kind":"refund","key":"r2","amount":{"amount":1,"currency":"EUR"},`+
		`"at":"2030-01-02T12:00:00Z"}]}`,
		strings.Replace(string(item.Value), `"refunded":{"amount":201`, `"refunded":{"amount":200`, 1))
}

func TestSleep(t *testing.T) {
	t.Parallel()
	require.NoError(t, sandbox.Sleep(t.Context(), time.Millisecond))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sandbox.Sleep(ctx, time.Hour), context.Canceled)
}
