package boards

import (
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
