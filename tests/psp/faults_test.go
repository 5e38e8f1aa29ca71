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

// insist repeats a request until it is answered with something else than an internal error, under a new key
// when the old one remembers such an answer.
func (c client) insist(path, params, idempotency string) reply {
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

// Each kind of fault happens, and a client that knows Stripe's rules gets its money, once.
func TestFaults(t *testing.T) {
	t.Parallel()
	server, c := start(t, psp.Options{Faults: psp.Faults{Rate: 0.5, Seed: 7, Delay: time.Millisecond}})
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			order := fmt.Sprint("o", n)
			id := c.insist(intents, "amount=1000&currency=eur&capture_method=manual&metadata[order]="+order, order).body.ID
			c.insist(intents+"/"+id+"/confirm", "payment_method=pm_card_visa", order+"confirm")
			c.insist(intents+"/"+id+"/capture", "", order+"capture")
		})
	}
	wg.Wait()
	taken := map[string]int64{}
	orphans := 0
	for _, a := range server.Ledger().Intents {
		taken[a.Order] += a.Captured
		if len(a.Movements) == 1 {
			orphans++ // created, but the client was told that it was not
		}
	}
	assert.Len(t, taken, 50)
	for order, amount := range taken {
		assert.EqualValues(t, 1000, amount, order)
	}
	assert.NotZero(t, orphans)
}

func TestTheSeedDecides(t *testing.T) {
	t.Parallel()
	history := func(seed uint64) (h []string) {
		_, c := start(t, psp.Options{Faults: psp.Faults{Rate: 0.5, Seed: seed, Delay: time.Nanosecond}})
		// On a connection of its own a request with an idempotency key is not repeated by net/http.
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
