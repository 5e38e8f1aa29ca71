package psp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/psp"
)

const key = "sk_test_of_the_tests"

// client is a plain HTTP client of the provider.
type client struct {
	t   *testing.T
	ctx context.Context
	url string
	via http.Client
}

// start runs a provider until the test ends.
func start(t *testing.T, o psp.Options) (*psp.Server, client) {
	t.Helper()
	o.SecretKey = key
	p, err := psp.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(p)
	t.Cleanup(func() {
		require.NoError(t, p.Close())
		server.Close()
	})
	return p, client{t: t, ctx: t.Context(), url: server.URL}
}

// eventually waits until the condition is true.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, time.Millisecond)
}

type reply struct {
	status int
	header http.Header
	raw    string
	body   struct {
		ID               string `json:"id"`
		Status           string `json:"status"`
		Amount           int64  `json:"amount"`
		AmountCapturable int64  `json:"amount_capturable"`
		AmountReceived   int64  `json:"amount_received"`
		Reason           string `json:"cancellation_reason"`
		HasMore          bool   `json:"has_more"`
		Data             []struct {
			ID string `json:"id"`
		} `json:"data"`
		Error struct {
			Type        string `json:"type"`
			Code        string `json:"code"`
			DeclineCode string `json:"decline_code"`
			Param       string `json:"param"`
			Intent      struct {
				Status string `json:"status"`
			} `json:"payment_intent"`
		} `json:"error"`
	}
}

// try sends a request with parameters such as "name=value&…", and with an idempotency key unless it is empty.
func (c client) try(method, path, params, idempotency string) (reply, error) {
	var body *strings.Reader
	if method == http.MethodGet {
		path, body = path+"?"+params, strings.NewReader("")
	} else {
		body = strings.NewReader(params)
	}
	req, err := http.NewRequestWithContext(c.ctx, method, c.url+path, body)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if idempotency != "" {
		req.Header.Set("Idempotency-Key", idempotency)
	}
	res, err := c.via.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	r := reply{status: res.StatusCode, header: res.Header}
	var raw json.RawMessage
	if err := json.NewDecoder(res.Body).Decode(&raw); err != nil {
		return reply{}, err
	}
	r.raw = string(raw)
	return r, json.Unmarshal(raw, &r.body)
}

func (c client) post(path, params, idempotency string) reply {
	c.t.Helper()
	r, err := c.try(http.MethodPost, path, params, idempotency)
	require.NoError(c.t, err)
	return r
}

func (c client) get(path, params string) reply {
	c.t.Helper()
	r, err := c.try(http.MethodGet, path, params, "")
	require.NoError(c.t, err)
	return r
}

const intents = "/v1/payment_intents"

// create creates an intent of 1000 for an order, with multicapture.
func (c client) create(order string) string {
	c.t.Helper()
	r := c.post(intents, "amount=1000&currency=eur&capture_method=manual&metadata[order]="+order+
		"&payment_method_options[card][request_multicapture]=if_available", "")
	require.Equal(c.t, http.StatusOK, r.status, r.raw)
	return r.body.ID
}

func (c client) authorise(order, token string) string {
	c.t.Helper()
	id := c.create(order)
	r := c.post(intents+"/"+id+"/confirm", "payment_method_data[card][token]="+token, "")
	require.Equal(c.t, http.StatusOK, r.status, r.raw)
	return id
}

// movements lists the movements of an account as text.
func movements(a psp.Account) string {
	var all []string
	for _, m := range a.Movements {
		all = append(all, fmt.Sprint(m.Kind, " ", m.Amount))
	}
	return strings.Join(all, ", ")
}

func TestPaymentIsAuthorisedCapturedAndRefunded(t *testing.T) {
	t.Parallel()
	_, c := start(t, psp.Options{})
	id := c.authorise("o1", psp.TokenVisa)
	r := c.post(intents+"/"+id+"/capture",
		"amount_to_capture=300&final_capture=false&metadata[note]=first&expand[]=latest_charge", "")
	assert.Equal(t, "requires_capture", r.body.Status)
	assert.EqualValues(t, 700, r.body.AmountCapturable)
	assert.EqualValues(t, 300, r.body.AmountReceived)
	assert.Contains(t, r.raw, `"object":"charge"`)
	assert.Contains(t, r.raw, `"multicapture":{"status":"available"}`)
	r = c.post("/v1/refunds", "payment_intent="+id+"&amount=100", "")
	assert.Equal(t, "succeeded", r.body.Status)
	r = c.post(intents+"/"+id+"/capture", "amount_to_capture=200", "")
	assert.Equal(t, "succeeded", r.body.Status, "captures are final unless told otherwise")
	assert.Zero(t, r.body.AmountCapturable)
	r = c.get(intents+"/"+id, "")
	assert.EqualValues(t, 500, r.body.AmountReceived)
	assert.Contains(t, r.raw, `"metadata":{"note":"first","order":"o1"}`)
	assert.Contains(t, r.raw, `"latest_charge":"ch_`)

	res, err := http.Get(c.url + "/ledger")
	require.NoError(t, err)
	defer res.Body.Close()
	var ledger psp.Ledger
	require.NoError(t, json.NewDecoder(res.Body).Decode(&ledger))
	require.Len(t, ledger.Intents, 1)
	a := ledger.Intents[0]
	assert.Equal(t,
		"created 1000, authorized 1000, captured 300, refunded 100, captured 200, released 500", movements(a))
	a.Movements = nil
	assert.Equal(t, psp.Account{
		ID: id, Order: "o1", Amount: 1000, Currency: "EUR", Status: "succeeded", Captured: 500, Refunded: 100}, a)
}

func TestUncapturedMoneyIsReleasedOrExpires(t *testing.T) {
	t.Parallel()
	server, c := start(t, psp.Options{})
	whole, part, never := c.authorise("whole", psp.TokenVisa), c.authorise("part", psp.TokenVisa), c.create("never")
	c.post(intents+"/"+part+"/capture", "amount_to_capture=300&final_capture=false", "")
	r := c.post(intents+"/"+part+"/cancel", "", "")
	assert.Equal(t, "payment_intent_unexpected_state", r.body.Error.Code)
	r = c.post(intents+"/"+part+"/capture", "amount_to_capture=0&final_capture=true", "")
	assert.Equal(t, "succeeded", r.body.Status)
	r = c.post(intents+"/"+never+"/cancel", "cancellation_reason=abandoned", "")
	assert.Equal(t, "canceled", r.body.Status)
	res, err := http.Post(c.url+"/test/expire/"+whole, "", nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, http.StatusOK, res.StatusCode)
	got := c.get(intents+"/"+whole, "").body
	assert.Equal(t, "canceled", got.Status)
	assert.Equal(t, "expired", got.Reason)
	require.Error(t, server.Expire(whole))

	var all []string
	for _, a := range server.Ledger().Intents {
		assert.Zero(t, a.Reserved)
		all = append(all, movements(a))
	}
	assert.Equal(t, []string{
		"created 1000, authorized 1000, expired 1000",
		"created 1000, authorized 1000, captured 300, released 700",
		"created 1000",
	}, all)
}

func TestTokenDecidesTheOutcome(t *testing.T) {
	t.Parallel()
	_, c := start(t, psp.Options{})
	for token, want := range map[string]string{
		psp.TokenVisa:                         "200",
		psp.TokenDeclined:                     "402 card_error card_declined generic_decline",
		psp.TokenInsufficientFunds:            "402 card_error card_declined insufficient_funds",
		"pm_card_chargeDeclinedExpiredCard":   "402 card_error expired_card expired_card",
		"pm_card_visa_chargeDeclinedLostCard": "402 card_error card_declined lost_card",
		"tok_unheard_of":                      "400 invalid_request_error resource_missing",
		"pm_unheard_of":                       "400 invalid_request_error resource_missing",
		"":                                    "400 invalid_request_error parameter_missing",
	} {
		r := c.post(intents+"/"+c.create("o")+"/confirm", url.Values{"payment_method": {token}}.Encode(), "")
		e := r.body.Error
		got := strings.TrimSpace(fmt.Sprintf("%d %s %s %s", r.status, e.Type, e.Code, e.DeclineCode))
		assert.Equal(t, want, got, token)
		if r.status == http.StatusPaymentRequired {
			assert.Equal(t, "requires_payment_method", e.Intent.Status)
		}
	}
}

func TestSearchAndListsArePaged(t *testing.T) {
	t.Parallel()
	_, c := start(t, psp.Options{})
	first := c.authorise("same", psp.TokenVisa)
	second := c.create("same")
	c.create("other")
	query := url.Values{"query": {`metadata["order"]:"same"`}}.Encode()
	r := c.get(intents+"/search", query)
	require.Len(t, r.body.Data, 2, r.raw)
	assert.Equal(t, second, r.body.Data[0].ID)
	assert.Equal(t, first, r.body.Data[1].ID)
	r = c.get(intents+"/search", query+"&limit=1")
	assert.Len(t, r.body.Data, 1)
	assert.True(t, r.body.HasMore)
	assert.Equal(t, http.StatusBadRequest, c.get(intents+"/search", "query=amount>1").status)

	c.post(intents+"/"+first+"/capture", "", "")
	var ids []string
	for range 3 {
		ids = append(ids, c.post("/v1/refunds", "amount=1&payment_intent="+first, "").body.ID)
	}
	r = c.get("/v1/refunds", "limit=2&payment_intent="+first)
	require.Len(t, r.body.Data, 2)
	assert.True(t, r.body.HasMore)
	assert.Equal(t, ids[2], r.body.Data[0].ID)
	r = c.get("/v1/refunds", "limit=2&payment_intent="+first+"&starting_after="+ids[1])
	require.Len(t, r.body.Data, 1)
	assert.False(t, r.body.HasMore)
	assert.Equal(t, ids[0], r.body.Data[0].ID)
}
