package protection

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func refusals() Refusals { return NewRefusals(prometheus.NewRegistry()) }

func TestPlacesInUseAreCountedByKind(t *testing.T) {
	t.Parallel()
	reg, refused := prometheus.NewRegistry(), refusals()
	orders := NewUpstream("orders", nil, 10, refused, zerolog.Nop())
	cart := NewUpstream("cart", nil, 10, refused, zerolog.Nop())
	MeasurePlaces(reg, map[string]*Upstream{"orders": orders, "cart": cart})
	inUse := func(kind string) (n float64) {
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, m := range families[0].GetMetric() {
			if m.GetLabel()[0].GetValue() == kind {
				n = m.GetGauge().GetValue()
			}
		}
		return n
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	release, err := orders.Acquire(r, Ordinary)
	require.NoError(t, err)
	_, err = cart.Acquire(r, Ordinary)
	require.NoError(t, err)
	for range 4 {
		_, err = orders.Acquire(r, Import)
		require.NoError(t, err)
	}
	_, err = orders.Acquire(r, Import)
	require.Error(t, err, "one address has a tenth of forty places")
	require.Equal(t, 1.0, testutil.ToFloat64(refused[OverCallerShare]))
	require.Equal(t, []float64{2, 4, 0}, []float64{inUse("ordinary"), inUse("import"), inUse("stream")})
	release()
	require.Equal(t, 1.0, inUse("ordinary"))
}
