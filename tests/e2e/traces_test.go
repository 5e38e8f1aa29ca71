package e2e

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"haberdash/tests/api"
	"haberdash/tests/tracing"
)

// span is a span with the names of its service and of what made it.
type span struct {
	service, scope string
	*otlp.Span
}

// traceCollector receives spans as an OpenTelemetry collector does (OTLP over HTTP).
type traceCollector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []span
}

func collectTraces(t *testing.T) *traceCollector {
	c := &traceCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(c.Close)
	return c
}

func (c *traceCollector) receive(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	in := new(collector.ExportTraceServiceRequest)
	if err == nil {
		err = proto.Unmarshal(raw, in)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(r.URL.Path, err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range in.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{service, scope.GetScope().GetName(), s})
			}
		}
	}
}

// of returns the spans of a trace by the hex digits of their ids.
func (c *traceCollector) of(trace string) map[string]tracing.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := map[string]tracing.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) != trace {
			continue
		}
		parent := hex.EncodeToString(s.GetParentSpanId())
		if strings.Trim(parent, "0") == "" {
			parent = ""
		}
		spans[hex.EncodeToString(s.GetSpanId())] = tracing.Span{
			Service: s.service, Name: s.GetName(), Scope: s.scope, Parent: parent,
		}
	}
	return spans
}

// ofApps returns all spans of apps, as text. Those of sidecars have the paths of calls in their names, which Dapr
// cannot turn off.
func (c *traceCollector) ofApps() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, s := range c.spans {
		if s.scope == tracing.Scope {
			b.WriteString(prototext.Format(s.Span))
		}
	}
	return b.String()
}

// One trace shows an order from the buyer's request to the mail: every hop through apps and sidecars, the commits, the
// publication, the consumers, the workflow and the mail. No span tells who the buyer is or has a secret of theirs.
func TestOneTraceShowsAnOrderFromTheRequestToTheMail(t *testing.T) {
	needsOurApps(t)
	t.Parallel()
	ctx, traces := t.Context(), collectTraces(t)
	s, _, _ := startOwnShop(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": traces.URL, "OTEL_BSP_SCHEDULE_DELAY": "200",
	})
	c := newClient(localShop{s})
	admin, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	sku := importProductAs(t, admin, 5)
	cart, err := c.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	placed, err := c.Place(ctx, api.NewKey(), api.NewPlacement(cart, api.Visa))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, placed.Status, "%s", placed.Body)
	parent := placed.Header.Get("traceparent")
	require.Regexp(t, `^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`, parent)
	trace := strings.Split(parent, "-")[1]
	var order api.Order
	require.NoError(t, placed.Decode(&order))

	require.EventuallyWithT(t, func(collect *assert.CollectT) {
		tracing.AssertOrder(collect, traces.of(trace))
	}, time.Minute, 100*time.Millisecond)
	require.NoError(t, s.Stop(ctx)) // the apps export their last spans
	text := traces.ofApps()
	for _, secret := range []string{order.Email, order.AccessToken, order.ID, cart.ID, string(api.Visa)} {
		require.NotContains(t, text, secret)
	}
	require.NotRegexp(t, regexp.MustCompile(`[\w.+-]+@[\w-]+\.\w+`), text, "an e-mail address")
}
