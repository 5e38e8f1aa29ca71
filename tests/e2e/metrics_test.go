package e2e

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"haberdash/tests/api"
	"haberdash/tests/metricsdoc"
)

// scrape returns the names of the metrics of an app, with the names of the labels of each series, sorted.
func scrape(t *testing.T, s shop, app string) map[string][][]string {
	t.Helper()
	res, err := http.Get(cmp.Or(s.OperationsURL(app), s.AppURL(app)) + "/metrics")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode, app)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	require.NoError(t, err)
	series := map[string][][]string{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := []string{}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
			slices.Sort(labels)
			series[name] = append(series[name], labels)
		}
	}
	return series
}

// Whatever an app exposes while somebody buys stands in docs/metrics.md, with the same labels.
func TestEveryMetricOfTheShopIsDocumented(t *testing.T) {
	needsOurApps(t)
	guest(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	require.NoError(t, err)
	documented, err := metricsdoc.Parse(page)
	require.NoError(t, err)

	customer, _ := customer(t)
	_, err = customer.Checkout(t.Context(), cartWith(t, customer, importProduct(t, 10)), api.Visa, api.NewKey())
	require.NoError(t, err)
	found := map[string]map[string]bool{} // by metric, the apps that have it
	for _, app := range sharedShop.Apps() {
		for name, series := range scrape(t, sharedShop, app) {
			if found[name] == nil {
				found[name] = map[string]bool{}
			}
			found[name][app] = true
			row := documented.Find(name)
			if row == nil {
				t.Errorf("%s of %s does not stand in docs/metrics.md", name, app)
				continue
			}
			for _, labels := range series {
				if !row.Family() {
					require.ElementsMatch(t, row.Labels, labels, "the labels of %s", name)
				}
			}
		}
	}
	for _, name := range []string{
		"build_info", "ready", "http_request_duration_seconds", "sidecar_call_duration_seconds",
	} {
		require.Len(t, found[name], len(sharedShop.Apps()), "the apps with %s", name)
	}
	for name, app := range map[string]string{
		"requests_refused_total": "gateway", "gateway_places_in_use": "gateway", "sign_ins_total": "users",
		"hashes_waiting": "users", "mails_total": "notifications",
	} {
		require.Equal(t, map[string]bool{app: true}, found[name], name)
	}
}
