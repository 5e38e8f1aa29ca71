// Package observe tests `make observe` with all its servers beside a real shop.
package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/launchtest"
	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/tests/api"
	"haberdash/tests/tracing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	process.CloseGuard()
	os.Exit(code)
}

// soon is how long a number, a trace or a log line may take until it can be found.
const soon, tick = time.Minute, 250 * time.Millisecond

// sku is of the demo catalogue.
const sku = "BASQUE-BERET-RED"

// The name begins like those of the other tests that need programs of the system: see the Makefile.
func TestServersShowAShop(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	var log launchtest.Log
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(log.String())
		}
	})
	o := config.Options{RunDir: dir, FreePorts: true, Watch: true, Log: &log}
	shop, err := launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = shop.Stop(context.Background()) })
	require.Equal(t, rundir.NoTraces, shop.State().Traces)

	o, err = o.Complete()
	require.NoError(t, err)
	with := observe.Options{Root: o.Root, RunDir: dir, Tracing: launch.TracingSettings(), Log: &log}
	require.NoError(t, observe.Build(ctx, with))
	servers, err := observe.Start(ctx, with)
	require.NoError(t, err)
	t.Cleanup(func() {
		if servers.State().Status != rundir.Stopped {
			servers.Stop()
		}
	})
	_, err = observe.Start(ctx, with)
	require.ErrorIs(t, err, rundir.ErrRunning)

	// A shop that has started before exports traces from now on.
	require.NoError(t, shop.FollowObserve(ctx))
	require.NotEqual(t, rundir.NoTraces, shop.State().Traces)
	require.Equal(t, rundir.Ready, shop.State().Status)
	s := shown{t, servers, addresses(servers.State())}

	s.scrapesEveryProcess(shop)
	s.knowsItsAlertmanager()
	s.showsAnOrder(shop)
	visitors := visit(t, shop)
	s.answersEveryExpression(o.Root)
	s.showsOnItsPage()
	visitors.leave()

	// A store that is killed gets the lines that it has missed.
	require.NoError(t, servers.Kill("opensearch"))
	trace := s.placeOrder(shop)
	require.NoError(t, servers.RestartServer(ctx, "opensearch"))
	s.findsLogLines(trace)

	// A shop that starts while it is shown exports traces at once, and its new ports and files are found.
	require.NoError(t, shop.Stop(ctx))
	shop, err = launch.Start(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = shop.Stop(context.Background()) })
	s.scrapesEveryProcess(shop)
	s.showsAnOrder(shop)

	// Without the servers the shop works as before.
	servers.Stop()
	require.Empty(t, process.Marked(servers.State().RunID))
	s.placeOrder(shop)
	require.NoError(t, shop.Stop(ctx))
	vars, err := observe.TracingVars(dir)
	require.NoError(t, err)
	require.Empty(t, vars)
}

// shown are running servers, and their addresses by name.
type shown struct {
	t       *testing.T
	servers *observe.Servers
	urls    map[string]string
}

func addresses(st rundir.State) map[string]string {
	urls := map[string]string{}
	for _, a := range observe.Addresses(st) {
		u, _ := url.Parse(a.URL)
		urls[a.Name] = "http://" + u.Host
	}
	return urls
}

// get decodes the answer of a server.
func (s shown) get(server, path string, to any) error {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.urls[server]+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s: %s", server, path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(to)
}

// scrapesEveryProcess waits until Prometheus has the numbers of every process of the shop.
func (s shown) scrapesEveryProcess(shop *launch.Shop) {
	s.t.Helper()
	wanted := []string{"placement daprcontrol", "scheduler daprcontrol", "node-exporter machine", "jaeger observability"}
	for _, app := range shop.Apps() {
		wanted = append(wanted, app+" app", app+" sidecar")
	}
	ports := fmt.Sprintf(":%d", shop.State().PortBase/100) // the first digits of all ports of the shop
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		var answer struct {
			Data struct {
				ActiveTargets []struct {
					Labels                       map[string]string
					Health, ScrapeURL, LastError string
				}
			}
		}
		require.NoError(c, s.get("Prometheus", "/api/v1/targets", &answer))
		up, current := []string{}, 0
		for _, target := range answer.Data.ActiveTargets {
			assert.Equal(c, "up", target.Health, "%v: %s", target.Labels, target.LastError)
			up = append(up, target.Labels["app"]+" "+target.Labels["kind"])
			if strings.Contains(target.ScrapeURL, ports) {
				current++
			}
		}
		assert.Subset(c, up, wanted)
		assert.Equal(c, 2+2*len(shop.Apps()), current)
	}, soon, tick)
}

func (s shown) knowsItsAlertmanager() {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		var answer struct {
			Data struct {
				ActiveAlertmanagers []struct{ URL string }
			}
		}
		require.NoError(c, s.get("Prometheus", "/api/v1/alertmanagers", &answer))
		require.Len(c, answer.Data.ActiveAlertmanagers, 1)
		require.Equal(c, s.urls["Alertmanager"]+"/api/v2/alerts", answer.Data.ActiveAlertmanagers[0].URL)
	}, soon, tick)
	var status struct{ Cluster struct{ Status string } }
	require.NoError(s.t, s.get("Alertmanager", "/api/v2/status", &status))
}

// showsAnOrder places an order and follows it: each hop of its trace in Jaeger, its log lines in OpenSearch, and its
// number in Prometheus, by the expression of a panel.
func (s shown) showsAnOrder(shop *launch.Shop) {
	s.t.Helper()
	before := s.countsOrders()
	trace := s.placeOrder(shop)
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		spans, err := s.spans(trace)
		require.NoError(c, err)
		tracing.AssertOrder(c, spans)
	}, soon, tick)
	s.findsLogLines(trace)
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		require.Greater(c, s.countsOrders(), before)
	}, soon, tick)
}

// spans returns the spans of a trace by their ids, as Jaeger has them.
func (s shown) spans(trace string) (map[string]tracing.Span, error) {
	var answer struct {
		Data []struct {
			Processes map[string]struct{ ServiceName string }
			Spans     []struct {
				SpanID, OperationName, ProcessID string
				References                       []struct{ RefType, SpanID string }
				Tags                             []struct {
					Key   string
					Value any
				}
			}
		}
	}
	if err := s.get("Jaeger", "/api/traces/"+trace, &answer); err != nil {
		return nil, err
	}
	spans := map[string]tracing.Span{}
	for _, t := range answer.Data {
		for _, found := range t.Spans {
			span := tracing.Span{Service: t.Processes[found.ProcessID].ServiceName, Name: found.OperationName}
			for _, r := range found.References {
				if r.RefType == "CHILD_OF" {
					span.Parent = r.SpanID
				}
			}
			for _, tag := range found.Tags {
				if tag.Key == "otel.scope.name" {
					span.Scope, _ = tag.Value.(string)
				}
			}
			spans[found.SpanID] = span
		}
	}
	return spans, nil
}

// placeOrder returns the id of the trace of a new order.
func (s shown) placeOrder(shop *launch.Shop) (trace string) {
	s.t.Helper()
	guest := api.New(shop.GatewayURL())
	cart, err := guest.NewCart(s.t.Context(), api.Item{SKU: sku, Quantity: 1})
	require.NoError(s.t, err)
	placed, err := guest.Place(s.t.Context(), api.NewKey(), api.NewPlacement(cart, api.Visa))
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusCreated, placed.Status, "%s", placed.Body)
	parts := strings.Split(placed.Header.Get("traceparent"), "-")
	require.Len(s.t, parts, 4)
	require.Equal(s.t, "01", parts[3], "the trace is recorded")
	return parts[1]
}

// findsLogLines waits until OpenSearch has the lines about the order of a trace: the gateway's about the request, once,
// and those of the apps that have decided something for it.
func (s shown) findsLogLines(trace string) {
	s.t.Helper()
	query := url.Values{"q": {`trace.id:"` + trace + `"`}, "size": {"100"}}
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		var answer struct {
			Hits struct {
				Hits []struct {
					Source map[string]any `json:"_source"`
				}
			}
		}
		require.NoError(c, s.get("OpenSearch", "/_search?"+query.Encode(), &answer))
		requests, decisions := 0, []string{}
		for _, hit := range answer.Hits.Hits {
			assert.Contains(c, hit.Source, "@timestamp")
			service := fmt.Sprint(hit.Source["service.name"])
			if service == "gateway" {
				requests++
			}
			if action, is := hit.Source["event.action"]; is {
				decisions = append(decisions, fmt.Sprint(service, ": ", action))
			}
		}
		assert.Equal(c, 1, requests)
		assert.Subset(c, decisions, []string{
			"orders: order.placed", "catalog: stock.reserved", "orders: payment.authorized", "orders: order.confirmed",
		})
	}, soon, tick)
}

// countsOrders returns how many confirmed orders Prometheus knows.
func (s shown) countsOrders() float64 {
	series, err := s.query(`sum(orders_placed_total{outcome="confirmed"})`)
	require.NoError(s.t, err)
	if len(series) == 0 {
		return 0 // of a shop without any
	}
	return series[0].value(s.t)
}

// ordersAMinute is the panel of the dashboards that counts orders, and its number.
var ordersAMinute = regexp.MustCompile(
	`<figcaption>Orders a minute</figcaption>\s*<div class="value[^"]*">([^<]+)</div>`)

// showsOnItsPage waits until the page of the dashboards shows that orders were placed.
func (s shown) showsOnItsPage() {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		res, err := http.Get(s.urls["dashboards"] + "/haberdash-shop/panels")
		require.NoError(c, err)
		defer res.Body.Close()
		page, err := io.ReadAll(res.Body)
		require.NoError(c, err)
		found := ordersAMinute.FindSubmatch(page)
		require.NotNil(c, found, "%s", page)
		require.Regexp(c, `^[1-9]`, string(found[1]))
	}, soon, tick)
}
