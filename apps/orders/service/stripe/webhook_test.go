package stripe_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/service/stripe"
	"haberdash/internal/money"
	"haberdash/tests/psp"
)

const event = `{"id":"evt_1","object":"event","api_version":"2020-08-27","created":1893585600,"type":"payment_intent.canceled",` +
	`"data":{"object":{"id":"pi_1","object":"payment_intent","metadata":{"order":"o1"}}}}`

func TestReadEvent(t *testing.T) {
	t.Parallel()
	p, now := open(t, "https://api.stripe.example"), time.Now()
	sign := func(body string) string { return psp.Sign(webhookSecret, now, []byte(body)) }
	padded := event + strings.Repeat(" ", stripe.MaxEvent-len(event))
	_, oldMAC, _ := strings.Cut(psp.Sign(webhookSecret, now.Add(-time.Hour), []byte(event)), ",")
	read := stripe.Event{ID: "evt_1", Type: "payment_intent.canceled", Key: "o1", AuthorisationID: "pi_1", At: time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct {
		body, signature string
		want            error
	}{
		"genuine":                   {event, sign(event), nil},
		"of five minutes ago":       {event, psp.Sign(webhookSecret, now.Add(-4*time.Minute-50*time.Second), []byte(event)), nil},
		"signed with two secrets":   {event, sign(event) + ",v1=" + strings.Repeat("00", 32), nil},
		"as large as can be":        {padded, sign(padded), nil},
		"too large":                 {padded + " ", sign(padded + " "), stripe.ErrMalformed},
		"replayed":                  {event, psp.Sign(webhookSecret, now.Add(-5*time.Minute-time.Second), []byte(event)), stripe.ErrStale},
		"replayed, with a new time": {event, fmt.Sprintf("t=%d,%s", now.Unix(), oldMAC), stripe.ErrForged},
		"another secret":            {event, psp.Sign("whsec_another", now, []byte(event)), stripe.ErrForged},
		"another body":              {strings.Replace(event, "pi_1", "pi_2", 1), sign(event), stripe.ErrForged},
		"truncated":                 {event[:len(event)-1], sign(event), stripe.ErrForged},
		"not signed":                {event, "", stripe.ErrForged},
		"an old scheme":             {event, strings.Replace(sign(event), "v1=", "v0=", 1), stripe.ErrForged},
		"a signature of rubbish":    {event, "t=,v1", stripe.ErrForged},
		"truncated before signing":  {event[:len(event)-1], sign(event[:len(event)-1]), stripe.ErrMalformed},
		"empty":                     {"", sign(""), stripe.ErrMalformed},
		"another object":            {`{"id":"evt_1","object":"v2.core.event","type":"t"}`, sign(`{"id":"evt_1","object":"v2.core.event","type":"t"}`), stripe.ErrMalformed},
	} {
		got, err := p.ReadEvent([]byte(c.body), c.signature)
		require.ErrorIs(t, err, c.want, name)
		if c.want == nil {
			assert.Equal(t, read, got, name)
		} else {
			assert.Zero(t, got, name)
		}
	}
}

func TestReadEventOfOtherObjects(t *testing.T) {
	t.Parallel()
	p := open(t, "https://api.stripe.example")
	for object, want := range map[string]stripe.Event{
		`{"id":"ch_1","object":"charge","payment_intent":"pi_1","metadata":{"order":"o1"}}`: {Key: "o1", AuthorisationID: "pi_1"},
		`{"id":"ch_1","object":"charge","payment_intent":null,"metadata":{}}`:               {},
		`{"id":"cus_1","object":"customer"}`:                                                {},
		`{"id":"pi_1","object":"payment_intent","metadata":{"theirs":"1"}}`:                 {AuthorisationID: "pi_1"},
	} {
		body := []byte(`{"id":"evt_1","object":"event","created":0,"type":"t","data":{"object":` + object + `}}`)
		got, err := p.ReadEvent(body, psp.Sign(webhookSecret, time.Now(), body))
		require.NoError(t, err)
		want.ID, want.Type, want.At = "evt_1", "t", time.Unix(0, 0).UTC()
		assert.Equal(t, want, got)
	}
}

// What a provider really sends is understood.
func TestEventsOfAPayment(t *testing.T) {
	t.Parallel()
	var reader *stripe.Provider
	got := make(chan stripe.Event, 100)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		e, err := reader.ReadEvent(bytes.Clone(body), r.Header.Get(stripe.SignatureHeader))
		assert.NoError(t, err)
		got <- e
	}))
	t.Cleanup(shop.Close)
	reader = open(t, shop.URL)
	server, url := start(t, psp.Options{WebhookURL: shop.URL, WebhookSecret: webhookSecret})
	p, ctx := open(t, url), t.Context()
	auth, err := p.Authorise(ctx, "order", price, psp.TokenVisa)
	require.NoError(t, err)
	_, err = p.Capture(ctx, "c", auth.ID, money.New(100, "EUR"))
	require.NoError(t, err)
	_, err = p.Refund(ctx, "r", auth.ID, money.New(100, "EUR"))
	require.NoError(t, err)
	require.NoError(t, server.Expire(auth.ID))
	for _, kind := range []string{
		"payment_intent.amount_capturable_updated", "payment_intent.amount_capturable_updated", "charge.refunded",
		"payment_intent.amount_capturable_updated", "payment_intent.succeeded",
	} {
		e := <-got
		assert.Equal(t, kind, e.Type)
		assert.Equal(t, "order", e.Key)
		assert.Equal(t, auth.ID, e.AuthorisationID)
	}
}
