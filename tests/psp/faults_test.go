package psp_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"haberdash/tests/psp"
)

// retry repeats a request until the answer is not an internal error. If the key stores an internal error, it continues
// with a new key.
func (c client) retry(path, params, idempotency string) reply {
	for n := 0; ; {
		r, err := c.try(http.MethodPost, path, params, fmt.Sprint(idempotency, n))
		switch {
		case err != nil || r.status == http.StatusTooManyRequests || r.status == http.StatusConflict:
		case r.status < http.StatusInternalServerError:
			return r
		case r.header.Get("Idempotent-Replayed") == "true":
			n++
		}
	}
}

// Half of the calls fail. A client that follows Stripe's rules for retries still captures each amount exactly once.
func TestRetriesCaptureOnceDespiteFaults(t *testing.T) {
	t.Parallel()
	server, c := start(t, psp.Options{Faults: psp.Faults{Rate: 0.5, Seed: 7, Delay: time.Millisecond}})
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			order := fmt.Sprint("o", n)
			params := "amount=1000&currency=eur&capture_method=manual&metadata[order]=" + order
			id := c.retry(intents, params, order).body.ID
			c.retry(intents+"/"+id+"/confirm", "payment_method=pm_card_visa", order+"confirm")
			c.retry(intents+"/"+id+"/capture", "", order+"capture")
		})
	}
	wg.Wait()
	captured := map[string]int64{} // by order
	orphans := 0
	for _, a := range server.Ledger().Intents {
		captured[a.Order] += a.Captured
		if len(a.Movements) == 1 {
			orphans++ // created, although the answer was an error
		}
	}
	assert.Len(t, captured, 50)
	for order, amount := range captured {
		assert.EqualValues(t, 1000, amount, order)
	}
	assert.NotZero(t, orphans)
}

func TestSameSeedGivesTheSameFaults(t *testing.T) {
	t.Parallel()
	history := func(seed uint64) (h []string) {
		_, c := start(t, psp.Options{Faults: psp.Faults{Rate: 0.5, Seed: seed, Delay: time.Nanosecond}})
		// Each request has its own connection, because net/http repeats requests with an idempotency key on a reused
		// one.
		c.via.Transport = &http.Transport{DisableKeepAlives: true}
		for n := range 40 {
			r, err := c.try(http.MethodPost, intents, "amount=1&currency=eur", fmt.Sprint(n))
			h = append(h, fmt.Sprint(r.status, err != nil))
		}
		return h
	}
	one := history(1)
	assert.Equal(t, one, history(1))
	assert.NotEqual(t, one, history(2))
	for _, outcome := range []string{"200 false", "429 false", "500 false", "0 true"} {
		assert.Contains(t, one, outcome)
	}
}
