package psp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v86"
	"github.com/stripe/stripe-go/v86/webhook"

	"haberdash/tests/psp"
)

const whsec = "whsec_of_the_tests"

// endpoint collects events that Stripe's own library accepts.
type endpoint struct {
	*httptest.Server
	mu   sync.Mutex
	got  []stripe.Event
	down bool // answers 503 to every event
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		ev, err := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), whsec)
		assert.NoError(t, err)
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.got = append(e.got, ev); e.down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) setDown(down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.down = down
}

// deliveries counts the deliveries of each event.
func (e *endpoint) deliveries() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := map[string]int{}
	for _, ev := range e.got {
		n[ev.ID]++
	}
	return n
}

func TestEachChangeSendsItsEvents(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	server, c := start(t, psp.Options{WebhookURL: e.URL, WebhookSecret: whsec})
	c.post(intents+"/"+c.create("o1")+"/confirm", "payment_method=pm_card_visa_chargeDeclined", "")
	c.post(intents+"/"+c.authorise("o2", psp.TokenVisa)+"/cancel", "", "")
	paid := c.authorise("o3", psp.TokenVisa)
	c.post(intents+"/"+paid+"/capture", "", "")
	c.post("/v1/refunds", "payment_intent="+paid, "")
	require.NoError(t, server.Expire(c.authorise("o4", psp.TokenVisa)))
	want := []string{
		"payment_intent.payment_failed o1",
		"payment_intent.amount_capturable_updated o2", "payment_intent.canceled o2",
		"payment_intent.amount_capturable_updated o3",
		"payment_intent.amount_capturable_updated o3", "payment_intent.succeeded o3",
		"charge.refunded o3",
		"payment_intent.amount_capturable_updated o4", "payment_intent.canceled o4",
	}
	eventually(t, func() bool { return len(e.deliveries()) == len(want) })
	var got []string
	for _, ev := range e.got {
		order, _ := ev.Data.Object["metadata"].(map[string]any)["order"].(string)
		got = append(got, string(ev.Type)+" "+order)
	}
	assert.Equal(t, want, got)
}

func TestEventsAreDeliveredAfterAnOutageAndARestart(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	e.setDown(true)
	o := psp.Options{Dir: t.TempDir(), SecretKey: key, WebhookURL: e.URL, WebhookSecret: whsec}
	p, err := psp.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	c := client{t: t, ctx: t.Context(), url: server.URL}
	c.authorise("o1", psp.TokenVisa)
	c.authorise("o2", psp.TokenVisa)
	eventually(t, func() bool {
		n := e.deliveries()
		for _, times := range n {
			if times < 2 {
				return false
			}
		}
		return len(n) == 2
	})
	server.Close()
	require.NoError(t, p.Close())
	tried := e.deliveries()

	e.setDown(false)
	p, err = psp.New(o)
	require.NoError(t, err)
	eventually(t, func() bool {
		for id, times := range e.deliveries() {
			if times == tried[id] {
				return false
			}
		}
		return true
	})
	require.NoError(t, p.Close())
}

func TestFaultsDeliverSomeEventsTwice(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t)
	_, c := start(t, psp.Options{WebhookURL: e.URL, WebhookSecret: whsec,
		Faults: psp.Faults{Rate: 0.5, Seed: 1, Delay: time.Nanosecond}})
	for n := range 20 {
		order := fmt.Sprint("o", n)
		id := c.retry(intents, "amount=1000&currency=eur&capture_method=manual", order).body.ID
		c.retry(intents+"/"+id+"/confirm", "payment_method=pm_card_visa", order+"confirm")
	}
	eventually(t, func() bool {
		n, twice := e.deliveries(), 0
		for _, times := range n {
			if times > 1 {
				twice++
			}
		}
		return len(n) == 20 && twice > 0
	})
}
