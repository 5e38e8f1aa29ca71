// Package paymenttest is the conformance suite of the payment port: run it with every adapter.
package paymenttest

import (
	"crypto/rand"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	WholeOnly   string // a token whose payments succeed, and are captured wholly or not at all
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
	run("5 one key, one capture or refund", oneMovement)
	run("6 void releases the rest", voidRest)
	run("a card that is captured once loses nothing", wholeOnly)
	run("malformed requests are refused", invalid)
	run("an unknown authorisation moves nothing", unknown)
	run("an ended context is no answer", ended)
}

const workers = 20

func eur(amount int64) money.Money { return money.New(amount, "EUR") }

func newKey() string { return "test-" + rand.Text() }

// look gives the present state, which is what a repetition answers with.
func look(t *testing.T, p payment.Provider, key string, amount money.Money, token string) payment.Authorisation {
	t.Helper()
	got, err := p.Authorise(t.Context(), key, amount, token)
	if !errors.Is(err, payment.ErrVoided) {
		require.NoError(t, err)
	}
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
