package psp_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/psp"
)

func TestInvalidRequestsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	server, c := start(t, psp.Options{})
	open, held := c.create("o"), c.authorise("o", psp.TokenVisa)
	single, done := c.authorise("o", psp.TokenSingleCapture), c.authorise("o", psp.TokenVisa)
	c.post(intents+"/"+done+"/capture", "amount_to_capture=400", "")
	c.post("/v1/refunds", "payment_intent="+done+"&amount=300", "")
	before := server.Ledger()
	const good, pay = "amount=1&currency=eur", "payment_method=pm_card_visa"
	long := strings.Repeat("n", 41)
	for _, x := range []struct {
		path, params string
		status       int
		code, param  string
	}{
		{intents, "currency=eur", 400, "parameter_missing", "amount"},
		{intents, "amount=1", 400, "parameter_missing", "currency"},
		{intents, "amount=x&currency=eur", 400, "parameter_invalid_integer", "amount"},
		{intents, "amount=-1&currency=eur", 400, "parameter_invalid_integer", "amount"},
		{intents, "amount=0&currency=eur", 400, "amount_too_small", "amount"},
		{intents, "amount=100000000&currency=eur", 400, "amount_too_large", "amount"},
		{intents, "amount=1&currency=euro", 400, "", "currency"},
		{intents, good + "&capture_method=later", 400, "", "capture_method"},
		{intents, good + "&payment_method_types[0]=cheque", 400, "", "payment_method_types"},
		{intents, good + "&colour=blue", 400, "parameter_unknown", "colour"},
		{intents, good + "&metadata[" + long + "]=1", 400, "", "metadata[" + long + "]"},
		{intents, good + "&metadata[n]=" + strings.Repeat("v", 501), 400, "", "metadata[n]"},
		{intents, "amount=1&currency=eur&%", 400, "", ""},
		{intents, strings.Repeat("a", 65<<10), 400, "", ""},
		{intents + "/pi_unheard_of/confirm", pay, 404, "resource_missing", "intent"},
		{intents + "/" + held + "/confirm", pay, 400, "payment_intent_unexpected_state", ""},
		{intents + "/" + open + "/capture", "", 400, "payment_intent_unexpected_state", ""},
		{intents + "/" + done + "/capture", "", 400, "payment_intent_unexpected_state", ""},
		{intents + "/" + held + "/capture", "amount_to_capture=1001", 400, "amount_too_large", "amount_to_capture"},
		{intents + "/" + held + "/capture", "amount_to_capture=0", 400, "amount_too_small", "amount_to_capture"},
		{intents + "/" + single + "/capture", "amount_to_capture=1&final_capture=false", 400, "", "final_capture"},
		{intents + "/" + done + "/cancel", "", 400, "payment_intent_unexpected_state", ""},
		{intents + "/" + held + "/cancel", "cancellation_reason=boredom", 400, "", "cancellation_reason"},
		{"/v1/refunds", "payment_intent=" + held, 400, "", ""},
		{"/v1/refunds", "payment_intent=" + done + "&amount=101", 400, "", "amount"},
		{"/v1/refunds", "payment_intent=pi_unheard_of", 400, "resource_missing", "payment_intent"},
		{"/v1/refunds", "", 400, "parameter_missing", "payment_intent"},
		{"/v1/customers", "", 404, "", ""},
	} {
		r := c.post(x.path, x.params, "")
		assert.Equal(t, x.status, r.status, "%s %s: %s", x.path, x.params, r.raw)
		assert.Equal(t, "invalid_request_error", r.body.Error.Type, r.raw)
		assert.Equal(t, x.code, r.body.Error.Code, r.raw)
		assert.Equal(t, x.param, r.body.Error.Param, r.raw)
	}
	assert.Equal(t, before, server.Ledger(), "refused requests change nothing")
	for _, secret := range []string{"", "Bearer ", "Bearer sk_test_another", "Basic c2tfdGVzdF9hbm90aGVyOg=="} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+intents+"/"+held, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", secret)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		assert.Equal(t, http.StatusUnauthorized, res.StatusCode, secret)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+intents+"/"+held, nil)
	require.NoError(t, err)
	req.SetBasicAuth(key, "")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusOK, res.StatusCode)
}

func TestRepeatedKeyReturnsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	server, c := start(t, psp.Options{})
	const params = "amount=1000&currency=eur&capture_method=manual"
	first := c.post(intents, params, "k1")
	again := c.post(intents, params, "k1")
	assert.Equal(t, first.raw, again.raw)
	assert.Empty(t, first.header.Get("Idempotent-Replayed"))
	assert.Equal(t, "true", again.header.Get("Idempotent-Replayed"))
	for _, other := range []reply{
		c.post(intents, "amount=1001&currency=eur&capture_method=manual", "k1"),
		c.post("/v1/refunds", "payment_intent="+first.body.ID, "k1"),
	} {
		assert.Equal(t, http.StatusBadRequest, other.status)
		assert.Equal(t, "idempotency_error", other.body.Error.Type)
	}
	assert.Equal(t, http.StatusBadRequest, c.post(intents, params, strings.Repeat("k", 256)).status)

	// A request that is refused before it is executed leaves its key unused. The key stores later refusals.
	assert.Equal(t, http.StatusBadRequest, c.post(intents, "amount=0&currency=eur", "k2").status)
	assert.Equal(t, http.StatusOK, c.post(intents, params, "k2").status)
	confirm := intents + "/" + first.body.ID + "/confirm"
	for _, replayed := range []string{"", "true"} {
		r := c.post(confirm, "payment_method_data[card][token]=tok_declined", "k3")
		assert.Equal(t, http.StatusPaymentRequired, r.status)
		assert.Equal(t, replayed, r.header.Get("Idempotent-Replayed"))
	}
	// The key stores internal errors too.
	for n, keys := range []string{"k4", "k4", "k5", "k5"} {
		r := c.post(confirm, "payment_method_data[card][token]=tok_error", keys)
		assert.Equal(t, http.StatusInternalServerError, r.status)
		assert.Equal(t, n%2 == 1, r.header.Get("Idempotent-Replayed") == "true")
	}
	assert.Equal(t, http.StatusOK, c.post(confirm, "payment_method_data[card][token]=tok_error", "k6").status)

	require.Len(t, server.Ledger().Intents, 2)
	server.ForgetKeys()
	assert.NotEqual(t, first.body.ID, c.post(intents, params, "k1").body.ID)
}

// The provider delays the answer to the first request. The key is in use until the client closes the connection.
func TestKeyInUseIsRefused(t *testing.T) {
	t.Parallel()
	server, c := start(t, psp.Options{})
	path, params := intents+"/"+c.create("o")+"/confirm", "payment_method_data[card][token]=tok_timeout"
	waiting := c
	ctx, disconnect := context.WithCancel(t.Context())
	waiting.ctx = ctx
	ended := make(chan error)
	go func() {
		_, err := waiting.try(http.MethodPost, path, params, "k")
		ended <- err
	}()
	eventually(t, func() bool { return server.Ledger().Intents[0].Reserved > 0 })
	r := c.post(path, params, "k")
	assert.Equal(t, http.StatusConflict, r.status)
	assert.Equal(t, "idempotency_key_in_use", r.body.Error.Code)
	disconnect()
	require.Error(t, <-ended)
	eventually(t, func() bool {
		r = c.post(path, params, "k")
		return r.status == http.StatusOK
	})
	assert.Equal(t, "requires_capture", r.body.Status)
	assert.Equal(t, "true", r.header.Get("Idempotent-Replayed"))
}
