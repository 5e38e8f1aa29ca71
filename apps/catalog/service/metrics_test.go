package service

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// metric sums a metric over its labels with a value; of a histogram it is how many observations there are. A metric
// that does not exist fails the test.
func (f *fixture) metric(name string, value ...string) (sum float64) {
	f.t.Helper()
	families, err := f.metrics.Gather()
	require.NoError(f.t, err)
	found := false
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := m.GetLabel()
			if family.GetName() != name || len(labels) != len(value) || len(value) == 1 && labels[0].GetValue() != value[0] {
				continue
			}
			found = true
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.True(f.t, found, "no metric %s%v", name, value)
	return sum
}

func TestImportsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	file := header + "hat,Hat,,,,Title,Default Title,HAT-1,1,10.00\ncap,Cap,,,,Title,Default Title,CAP-1,1,ten\n"
	assert.Zero(t, f.metric("imports_total", "imported"))
	f.upload(file)
	f.upload(strings.Replace(file, "10.00", "11.00", 1))
	f.upload(strings.Replace(file, "10.00", "11.00", 1))
	send := func(body, contentType string) int {
		return f.call("POST", "staff /api/v1/products/import", body, "Content-Type: "+contentType).status
	}
	assert.Equal(t, 415, send(file, "application/pdf"))
	assert.Equal(t, 422, send("no,export\n", "text/csv"))
	f.stockStore.down.Store(true)
	assert.Equal(t, 503, send(strings.NewReplacer("hat", "beret", "HAT", "BERET").Replace(file), "text/csv"))
	f.stockStore.down.Store(false)

	assert.Equal(t, 3.0, f.metric("imports_total", "imported"))
	assert.Equal(t, 2.0, f.metric("imports_total", "refused"))
	assert.Equal(t, 1.0, f.metric("imports_total", "failed"))
	assert.Equal(t, 1.0, f.metric("import_rows_total", "updated"))
	assert.Equal(t, 1.0, f.metric("import_rows_total", "unchanged"))
	assert.GreaterOrEqual(t, f.metric("import_rows_total", "created"), 1.0)
	assert.GreaterOrEqual(t, f.metric("import_rows_total", "failed"), 3.0)
}

func TestSearchesAreMeasured(t *testing.T) {
	t.Parallel()
	f := newFixture(t, true)
	f.waitUntilReady()
	products := f.get("/api/v1/products?limit=1")["total"]
	assert.Equal(t, products, f.metric("search_index_documents"))
	assert.Zero(t, f.metric("search_duration_seconds"))
	f.get("/api/v1/products?q=beret")
	assert.Equal(t, 1.0, f.metric("search_duration_seconds"))
}
