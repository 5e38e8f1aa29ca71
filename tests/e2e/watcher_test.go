package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/dapr/launch/config"
	"haberdash/internal/contract"
	"haberdash/internal/invariants"
	"haberdash/tests/api"
)

// startWatchedShop starts a shop for one test, with a watcher that does not wait long.
func startWatchedShop(t *testing.T) *launch.Shop {
	t.Helper()
	s, _, _ := startOwnShop(t, map[string]string{
		"STOCK_LOCATIONS": "main,north", "WATCH_POLL": "100ms", "WATCH_SETTLE": "2s", "WATCH_CHECK": "500ms",
		"WATCH_FIRST_AUDIT": "1s", "AUDIT_EVERY": "1s",
	}, func(o *config.Options) { o.Watch = true })
	return s
}

// watcherMetrics returns the values of a metric of the watcher by the value of its only label.
func watcherMetrics(t require.TestingT, s *launch.Shop, name string) map[string]float64 {
	res, err := http.Get(s.AppURL("watcher") + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	require.NoError(t, err)
	require.Contains(t, families, name)
	values := map[string]float64{}
	for _, m := range families[name].Metric {
		values[m.Label[0].GetValue()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	return values
}

// violationsOf lists the violations that the watcher reports.
func violationsOf(t *testing.T, s *launch.Shop) (list []invariants.Violation) {
	t.Helper()
	reply, err := callInternal[struct{ Violations []invariants.Violation }](t, localShop{s}, http.MethodGet, "watcher",
		"/internal/violations")
	require.NoError(t, err)
	return reply.Violations
}

// plant appends a commit to the log of a stock location, as only the app catalog itself should: more of a SKU is
// reserved for an order than there is.
func plant(t *testing.T, s *launch.Shop, sku, order string) {
	t.Helper()
	client := sidecarClient(localShop{s}, "catalog")
	page, err := callInternal[contract.FeedPage](t, localShop{s}, http.MethodGet, "catalog", "/feed/stock-main?max=1000")
	require.NoError(t, err)
	seq, n := uint64(0), uint64(0)
	for _, e := range page.Events {
		n = e.Commit + 1
		if e.Aggregate == "sku/"+sku {
			seq = e.Seq
		}
	}
	key := func() string { return fmt.Sprintf("log/stock-main/%d", n) }
	for {
		a, err := client.Do(t.Context(),
			api.Request{Method: http.MethodGet, Path: "/v1.0/state/state/" + url.PathEscape(key())})
		require.NoError(t, err)
		if a.Status == http.StatusNoContent {
			break
		}
		n++
	}
	commit := map[string]any{"w": "planted", "b": page.Head, "e": []any{map[string]any{
		"a": "sku/" + sku, "s": seq + 1, "t": contract.StockReserved, "at": time.Now().UTC(),
		"d": contract.StockMovement{Quantity: 5000, Order: order},
	}}}
	body, err := json.Marshal([]any{map[string]any{"key": key(), "value": commit,
		"options": map[string]string{"concurrency": "first-write"}}})
	require.NoError(t, err)
	a, err := client.Do(t.Context(), api.Request{Method: http.MethodPost, Path: "/v1.0/state/state", Body: string(body)})
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, a.Status, "%s", a.Body)
}

// The watcher checks all invariants of a shop in which orders live their lives, and finds no violation, until somebody
// changes the log behind the back of the app that it belongs to.
func TestTheWatcherFindsAViolation(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := startWatchedShop(t)
	c := newClient(localShop{s})
	admin, err := c.AsAdmin(ctx)
	require.NoError(t, err)
	sku := importProductAs(t, admin, 10)
	buy := func() api.Order {
		order, err := c.Checkout(ctx, cartWith(t, c, sku), api.Visa, api.NewKey())
		require.NoError(t, err)
		return order
	}
	open, cancelled, shipped := buy(), buy(), buy()
	_, err = c.Cancel(ctx, cancelled.ID, cancelled.AccessToken)
	require.NoError(t, err)
	_, err = c.Checkout(ctx, cartWith(t, c, sku), api.Declined, api.NewKey())
	requireProblem(t, err, http.StatusPaymentRequired, "payment-declined")
	sent, err := admin.Fulfil(ctx, shipped.ID, "", api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	_, err = admin.Deliver(ctx, shipped.ID, sent.Fulfilments[0].ID)
	require.NoError(t, err)
	back, err := c.RequestReturn(ctx, shipped.ID, shipped.AccessToken, "", api.Item{SKU: sku, Quantity: 1})
	require.NoError(t, err)
	_, err = admin.Receive(ctx, shipped.ID, back.Returns[0].ID, true)
	require.NoError(t, err)

	require.EventuallyWithT(t, func(t *assert.CollectT) {
		checks := watcherMetrics(t, s, "haberdash_invariant_checks_total")
		for _, n := range invariants.All {
			require.Positive(t, checks[fmt.Sprint(n)], n)
		}
		require.GreaterOrEqual(t, checks["2"], 3.0, "the payments of the open, the cancelled and the shipped order")
		require.Equal(t, map[string]float64{"open": 1, "closed": 3}, watcherMetrics(t, s, "watcher_orders"))
	}, timeout, interval)
	require.Empty(t, violationsOf(t, s))
	for n, count := range watcherMetrics(t, s, "haberdash_invariant_violations") {
		require.Zero(t, count, n)
	}
	positions := watcherMetrics(t, s, "watcher_position")
	require.Contains(t, positions, "orders")
	require.Contains(t, positions, "stock-main")

	plant(t, s, sku, open.ID)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		require.GreaterOrEqual(t, watcherMetrics(t, s, "haberdash_invariant_violations")["1"], 2.0)
	}, timeout, interval)
	texts := fmt.Sprint(violationsOf(t, s))
	require.Contains(t, texts, "5001 reserved after event", "more is reserved than there is")
	require.Contains(t, texts, "5001 of "+sku+" are reserved for it instead of 1", "the order did not ask for that")
}
