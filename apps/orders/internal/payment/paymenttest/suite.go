// Package paymenttest is the conformance suite of the payment port. Every adapter runs it.
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

// Account is an account at a provider, and the tokens that the suite uses.
type Account struct {
	// Open opens an adapter, each time another replica. All of them use the same account. It may have been used before,
	// because the suite uses new keys in each run.
	Open        func(t *testing.T) payment.Provider
	Approved    string // a token whose payments succeed
	Declined    string // a token whose payments are declined
	DeclineCode string // the code with which they are declined
	WholeOnly   string // a token whose payments can be captured only once, and wholly
}

// Test runs the suite. The numbers are those of the rules of package payment. As callers do, it repeats a call that
// ends in ErrProvider, so an adapter can be tested over an unreliable connection.
func Test(t *testing.T, a Account) {
	run := func(name string, f func(t *testing.T, a Account)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, a)
		})
	}
	run("1 one key is one authorisation", oneAuthorisation)
	run("1 twenty concurrent attempts make one authorisation", twentyAttempts)
	run("2 a key stands for one request", keyReused)
	run("3 a decline is final", declineIsFinal)
	run("3 a voided key stays voided", voidIsFinal)
	run("3 a void refuses attempts in progress", voidRace)
	run("4 random requests keep the sums", sums)
	run("4 of twenty captures of a tenth, ten succeed", twentyCaptures)
	run("5 one key is one capture or refund", oneMovement)
	run("6 void releases the rest", voidRest)
	run("a card that can be captured once is captured wholly", wholeOnly)
	run("malformed requests are refused", invalid)
	run("an unknown authorisation is not found", unknown)
	run("an ended context is ErrNoAnswer", ended)
}

const workers = 20

func eur(amount int64) money.Money { return money.New(amount, "EUR") }

func newKey() string { return "test-" + rand.Text() }

// stateOf returns the present state of a key, which is the answer to a repeated Authorise.
func stateOf(t *testing.T, p payment.Provider, key string, amount money.Money, token string) payment.Authorisation {
	t.Helper()
	got, err := p.Authorise(t.Context(), key, amount, token)
	if !errors.Is(err, payment.ErrVoided) {
		require.NoError(t, err)
	}
	return got
}

// runWorkers runs all workers at once, none of which may return an error.
func runWorkers(t *testing.T, f func(i int) error) {
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
