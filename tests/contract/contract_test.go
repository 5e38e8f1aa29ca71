package contract_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/tests/contract"
)

var root = filepath.Join("..", "..")

func newChecker(t *testing.T) *contract.Checker {
	t.Helper()
	c, err := contract.NewChecker(root)
	require.NoError(t, err)
	return c
}

// example returns the message in docs/contract.md.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "contract.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)validates this message -->\n```json\n(.*?)```").FindSubmatch(text)
	require.NotNil(t, block)
	return string(block[1])
}

func delivery(topic, body string) contract.Exchange {
	return call("notifications", http.MethodPost, "/events/"+topic, body, http.StatusOK, `{"status":"SUCCESS"}`)
}

func call(app, method, path, body string, status int, response string) contract.Exchange {
	u, _ := url.Parse(path)
	return contract.Exchange{App: app, Request: &http.Request{Method: method, URL: u, Header: http.Header{}},
		Body: []byte(body), Status: status, Header: http.Header{"Content-Type": {"application/json"}},
		Response: []byte(response)}
}

func TestTheMessageInTheDocumentationIsAsDescribed(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	c.Exchange(delivery("orders", example(t)))
	c.Exchange(delivery("orders", `{"entries":[{"entryId":"0","event":`+example(t)+`}]}`))
	assert.Empty(t, c.Findings())
	assert.Equal(t, map[string]int{"message order.confirmed": 2}, c.Seen())
}

func TestMessagesThatAreNotDescribedAreFound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ old, new, finding string }{
		"a member":          {`"cartVersion": 3`, `"cartVersion": 3, "email": "ada@example.test"`, "not described: email"},
		"of a line":         {`"quantity": 1`, `"quantity": 1, "gift": true`, "/data/data/lines/…: not described: gift"},
		"of the envelope":   {`"position": 12`, `"position": 12, "shard": 1`, "/data/shard: not described"},
		"an attribute":      {`"pubsubname"`, `"color": "red", "pubsubname"`, "/color: not described"},
		"a missing member":  {`"cartVersion": 3,`, ``, "/data/data: missing: cartVersion"},
		"a wrong type":      {`"cartVersion": 3`, `"cartVersion": "3"`, "/data/data/cartVersion: type"},
		"another type":      {`"order.confirmed"`, `"order.noted"`, "message order.noted: api/asyncapi.yaml does not"},
		"another version":   {`"dataversion": "1"`, `"dataversion": "2"`, "/dataversion: const"},
		"another aggregate": {`"subject": "order/`, `"subject": "cart/`, "/subject: pattern"},
	} {
		c := newChecker(t)
		text := strings.ReplaceAll(example(t), change.old, change.new)
		require.NotEqual(t, example(t), text, name)
		c.Exchange(delivery("orders", text))
		require.Len(t, c.Findings(), 1, name)
		assert.Contains(t, c.Findings()[0], change.finding, name)
		assert.NotContains(t, c.Findings()[0], "ada@", "a finding has no values")
	}
	c := newChecker(t)
	c.Exchange(delivery("users", example(t)))
	assert.Contains(t, c.Findings()[0], "it is on the topic users")
}

func TestOnlyThePublishedDataOfATestIsIgnored(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	c.Ignore([]byte(`{"not": "an event"}`))
	c.Exchange(delivery("users", `{"type":"com.dapr.event.sent","data":{"not":"an event"}}`))
	assert.Empty(t, c.Findings())
	c.Exchange(delivery("users", `{"type":"com.dapr.event.sent","data":{"not":"any event"}}`))
	assert.Len(t, c.Findings(), 1)
}

func TestRefusedForgeriesAreIgnored(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	c.Exchange(call("orders", http.MethodPost, "/events/users", "{}", 401, "{}"))
	c.Exchange(call("orders", http.MethodPost, "/internal/nothing", "{}", 401, "{}"))
	c.Exchange(call("catalog", http.MethodGet, "/api/v1/dead-letters/an/app", "", 404, "{}"))
	assert.Empty(t, c.Findings())
	c.Exchange(call("orders", http.MethodPost, "/events/users", "{}", 200, "{}"))
	assert.Len(t, c.Findings(), 1)
}

func TestCallsThatAreNotDescribedAreFound(t *testing.T) {
	t.Parallel()
	const path, request, response = "/internal/contacts", `{"orderIds":["o1"]}`,
		`{"contacts":[{"orderId":"o1","erased":true,"email":"","shippingAddress":{"name":"A","line1":"S","city":"B",` +
			`"postalCode":"1","country":"DE"}}]}`
	c := newChecker(t)
	c.Exchange(call("orders", http.MethodPost, path, request, 200, response))
	require.Empty(t, c.Findings())
	assert.Equal(t, map[string]int{"call orders POST /internal/contacts": 1}, c.Seen())
	post := func(path, body string, status int, answer string) contract.Exchange {
		return call("orders", http.MethodPost, path, body, status, answer)
	}
	fromCart := call("orders", http.MethodPost, "/internal/nothing", "", 404, "")
	fromCart.Request.Header.Set("dapr-caller-app-id", "cart")
	for finding, x := range map[string]contract.Exchange{
		"api/internal/orders.json does not describe it": call("orders", http.MethodGet, path, "", 200, response),
		"the app answers 404":                           fromCart,
		"the request: /: not described: all":            post(path, `{"orderIds":["o1"],"all":true}`, 200, response),
		"the parameter all is not described":            post(path+"?all=1", request, 200, response),
		"the status 418 is not described":               post(path, request, 418, "{}"),
		"the response 200: /contacts: type":             post(path, request, 200, `{"contacts":7}`),
	} {
		c := newChecker(t)
		c.Exchange(x)
		require.Len(t, c.Findings(), 1, finding)
		assert.Contains(t, c.Findings()[0], finding)
	}
}

func TestRecorderForwardsAndRecords(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Path", r.URL.EscapedPath())
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, "%s of %s", body, r.Host)
	}))
	t.Cleanup(app.Close)
	recorded := make(chan contract.Exchange, 10)
	recorder := contract.NewRecorder(func(x contract.Exchange) { recorded <- x })
	t.Cleanup(recorder.Close)
	_, behind, err := net.SplitHostPort(app.Listener.Addr().String())
	require.NoError(t, err)
	n, err := strconv.Atoi(behind)
	require.NoError(t, err)
	port := freePort(t)
	recorder.Tap("orders", port, n)
	large := bytes.Repeat([]byte("x"), 3<<20)
	for range 3 { // on one connection
		var res *http.Response
		require.Eventually(t, func() bool {
			res, err = http.Post(fmt.Sprintf("http://127.0.0.1:%d/a%%2Fb", port), "text/plain", bytes.NewReader(large))
			return err == nil
		}, 10*time.Second, 10*time.Millisecond)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		require.NoError(t, err)
		require.Equal(t, "/a%2Fb", res.Header.Get("X-Path"))
		require.Equal(t, fmt.Sprintf("%s of 127.0.0.1:%d", large, port), string(body))
		x := <-recorded
		require.Equal(t, "orders", x.App)
		require.Equal(t, "/a%2Fb", x.Request.URL.EscapedPath())
		require.Equal(t, http.StatusCreated, x.Status)
		require.Equal(t, large, x.Body)
		require.Equal(t, body, x.Response)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
