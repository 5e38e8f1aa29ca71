package boards

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEachAppHasADashboard(t *testing.T) {
	t.Parallel()
	folders, err := os.ReadDir(filepath.Join("..", "..", "..", "apps"))
	require.NoError(t, err)
	var apps, have []string
	for _, f := range folders {
		apps = append(apps, f.Name())
	}
	for _, s := range Services() {
		have = append(have, s.ID)
	}
	require.ElementsMatch(t, apps, have)
}

// A panel without a description or with the title of another says nothing.
func TestPanelsAreDescribed(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for _, b := range All() {
		require.False(t, uids[b.UID], b.UID)
		uids[b.UID] = true
		titles := map[string]bool{}
		for _, r := range b.Rows {
			require.NotEmpty(t, r.Panels, "%s: %s", b.Title, r.Title)
			for _, p := range r.Panels {
				require.False(t, titles[p.Title], "%s: %s stands twice", b.Title, p.Title)
				titles[p.Title] = true
				require.True(t, strings.HasSuffix(p.Description, "."), "%s: %s", b.Title, p.Title)
				require.NotEmpty(t, p.Queries, "%s: %s", b.Title, p.Title)
				require.Equal(t, r.Panels[0].Kind == Stat, p.Kind == Stat, "%s: numbers stand in a row of their own", p.Title)
				for _, q := range p.Queries {
					require.NotEmpty(t, q.Legend, "%s: %s", b.Title, p.Title)
				}
			}
		}
	}
}

func TestRatesAreComputedOverTheGivenTime(t *testing.T) {
	t.Parallel()
	q := Query{Expr: perSecond("orders_placed_total", "outcome")}
	require.Equal(t, "sum by (outcome) (rate(orders_placed_total[60s]))", q.PromQL(time.Minute))
}

func TestValuesAreWrittenWithTheirUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Seconds, 0, "0 s"}, {Seconds, 0.0000123, "12.3 µs"}, {Seconds, 0.0123, "12.3 ms"}, {Seconds, 1.5, "1.5 s"},
		{Seconds, 119, "119 s"}, {Seconds, 300, "5 min"}, {Seconds, 7200, "2 h"}, {Seconds, 864000, "10 d"},
		{Milliseconds, 12, "12 ms"}, {Ratio, 0.001, "0.1 %"}, {Ratio, 1, "100 %"}, {Bytes, 1536, "1.5 KiB"},
		{Bytes, 0, "0 B"}, {PerSecond, 1234, "1.23k/s"}, {PerMinute, 12, "12/min"}, {Count, 7, "7"},
		{Count, 1234567, "1.23M"}, {Count, math.NaN(), "–"}, {Count, math.Inf(1), "–"},
	} {
		require.Equal(t, c.want, c.unit.Format(c.v))
	}
}
