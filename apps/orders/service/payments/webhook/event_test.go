package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/orders/service/payments/stripe"
	"haberdash/apps/orders/service/payments/webhook"
	"haberdash/internal/money"
	"haberdash/tests/psp"
)

const (
	secretKey     = "sk_test_of_the_tests"
	webhookSecret = "whsec_of_the_tests"
)

func newReader(t *testing.T) *webhook.Reader {
	t.Helper()
	r, err := webhook.NewReader(webhookSecret)
	require.NoError(t, err)
	return r
}

const event = `{"id":"evt_1","object":"event","api_version":"2020-08-27","created":1893585600,` +
	`"type":"payment_intent.canceled","data":{"object":{"id":"pi_1","object":"payment_intent","metadata":{"order":"o1"}}}}`

func TestOnlyGenuineWebhooksAreRead(t *testing.T) {
	t.Parallel()
	r, now := newReader(t), time.Now()
	sign := func(body string) string { return psp.Sign(webhookSecret, now, []byte(body)) }
	signAt := func(age time.Duration) string { return psp.Sign(webhookSecret, now.Add(age), []byte(event)) }
	otherObject := `{"id":"evt_1","object":"v2.core.event","type":"t"}`
	padded := event + strings.Repeat(" ", webhook.MaxBody-len(event))
	_, oldMAC, _ := strings.Cut(psp.Sign(webhookSecret, now.Add(-time.Hour), []byte(event)), ",")
	read := webhook.Event{ID: "evt_1", Type: "payment_intent.canceled", OrderID: "o1", AuthorisationID: "pi_1",
		At: time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)}
	for name, c := range map[string]struct {
		body, signature string
		want            error
	}{
		"genuine":                   {event, sign(event), nil},
		"of five minutes ago":       {event, signAt(-4*time.Minute - 50*time.Second), nil},
		"signed with two secrets":   {event, sign(event) + ",v1=" + strings.Repeat("00", 32), nil},
		"of the maximum size":       {padded, sign(padded), nil},
		"too large":                 {padded + " ", sign(padded + " "), webhook.ErrMalformed},
		"replayed":                  {event, signAt(-5*time.Minute - time.Second), webhook.ErrStale},
		"replayed, with a new time": {event, fmt.Sprintf("t=%d,%s", now.Unix(), oldMAC), webhook.ErrForged},
		"another secret":            {event, psp.Sign("whsec_another", now, []byte(event)), webhook.ErrForged},
		"another body":              {strings.Replace(event, "pi_1", "pi_2", 1), sign(event), webhook.ErrForged},
		"truncated":                 {event[:len(event)-1], sign(event), webhook.ErrForged},
		"not signed":                {event, "", webhook.ErrForged},
		"an old scheme":             {event, strings.Replace(sign(event), "v1=", "v0=", 1), webhook.ErrForged},
		"a malformed signature":     {event, "t=,v1", webhook.ErrForged},
		"truncated before signing":  {event[:len(event)-1], sign(event[:len(event)-1]), webhook.ErrMalformed},
		"empty":                     {"", sign(""), webhook.ErrMalformed},
		"another object":            {otherObject, sign(otherObject), webhook.ErrMalformed},
	} {
		got, err := r.Read([]byte(c.body), c.signature)
		require.ErrorIs(t, err, c.want, name)
		if c.want == nil {
			assert.Equal(t, read, got, name)
		} else {
			assert.Zero(t, got, name)
		}
	}
}

func TestEventNamesTheOrderAndThePayment(t *testing.T) {
	t.Parallel()
	r := newReader(t)
	for object, want := range map[string]webhook.Event{
		`{"id":"ch_1","object":"charge","payment_intent":"pi_1","metadata":{"order":"o1"}}`: {
			OrderID: "o1", AuthorisationID: "pi_1"},
		`{"id":"ch_1","object":"charge","payment_intent":null,"metadata":{}}`: {},
		`{"id":"cus_1","object":"customer"}`:                                  {},
		`{"id":"pi_1","object":"payment_intent","metadata":{"theirs":"1"}}`:   {AuthorisationID: "pi_1"},
	} {
		body := []byte(`{"id":"evt_1","object":"event","created":0,"type":"t","data":{"object":` + object + `}}`)
		got, err := r.Read(body, psp.Sign(webhookSecret, time.Now(), body))
		require.NoError(t, err)
		want.ID, want.Type, want.At = "evt_1", "t", time.Unix(0, 0).UTC()
		assert.Equal(t, want, got)
	}
}

func TestEventsThatAProviderSendsAreRead(t *testing.T) {
	t.Parallel()
	reader, got := newReader(t), make(chan webhook.Event, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		e, err := reader.Read(body, r.Header.Get(webhook.SignatureHeader))
		assert.NoError(t, err)
		got <- e
	}))
	t.Cleanup(receiver.Close)
	server, err := psp.New(psp.Options{SecretKey: secretKey, WebhookURL: receiver.URL, WebhookSecret: webhookSecret})
	require.NoError(t, err)
	listener := httptest.NewServer(server)
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		listener.Close()
	})
	p, err := stripe.New(stripe.Config{SecretKey: secretKey, URL: listener.URL})
	require.NoError(t, err)
	ctx, price := t.Context(), money.New(1999, "EUR")
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
		assert.Equal(t, "order", e.OrderID)
		assert.Equal(t, auth.ID, e.AuthorisationID)
	}
}

func TestReaderNeedsASecret(t *testing.T) {
	t.Parallel()
	_, err := webhook.NewReader("")
	require.Error(t, err)
}
