package grafana

import (
	"encoding/json"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"

	"haberdash/deploy/observability/boards"
)

// Grafana would silently ignore a member that it does not know.
func TestDashboardsHaveGrafanasShape(t *testing.T) {
	t.Parallel()
	files, err := Render()
	require.NoError(t, err)
	require.Len(t, files, len(boards.All()))
	for name, text := range files {
		var d dashboard.Dashboard
		requireNoErrors(t, d.UnmarshalJSONStrict(text), name)
		requireNoErrors(t, d.Validate(), name)
	}
}

// requireNoErrors exists because the SDK returns an empty list of errors, which is not nil.
func requireNoErrors(t *testing.T, err error, name string) {
	t.Helper()
	if list, ok := err.(cog.BuildErrors); !ok || len(list) > 0 {
		require.NoError(t, err, name)
	}
}

// Panels that lie above each other hide what they show.
func TestNoPanelLiesAboveAnother(t *testing.T) {
	t.Parallel()
	files, err := Render()
	require.NoError(t, err)
	for name, text := range files {
		var d struct {
			Panels []struct {
				Title   string
				GridPos struct{ X, Y, W, H int }
			}
		}
		require.NoError(t, json.Unmarshal(text, &d))
		taken := map[[2]int]string{}
		for _, p := range d.Panels {
			require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, columns, "%s: %s", name, p.Title)
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					require.Empty(t, taken[[2]int{x, y}], "%s: %s lies above it", name, p.Title)
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

func TestPanelsThatJudgeANumberColourIt(t *testing.T) {
	t.Parallel()
	limit := 60.0
	for name, c := range map[string]struct {
		panel boards.Panel
		want  []string
	}{
		"above":   {boards.Panel{Kind: boards.Stat, Above: &limit}, []string{"green", "red"}},
		"below":   {boards.Panel{Kind: boards.Stat, Below: &limit}, []string{"red", "green"}},
		"neutral": {boards.Panel{Kind: boards.Stat}, []string{"text"}},
	} {
		built, err := thresholds(c.panel).Build()
		require.NoError(t, err, name)
		var colours []string
		for _, s := range built.Steps {
			colours = append(colours, s.Color)
		}
		require.Equal(t, c.want, colours, name)
	}
}
