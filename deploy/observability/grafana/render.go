// Package grafana renders the dashboards of package boards for Grafana, which reads them from provisioned files.
package grafana

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"

	"haberdash/deploy/observability/boards"
)

// columns is the width of a dashboard.
const columns = 24

// source is the data source that provisioning/datasources/shop.yaml defines.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("prometheus")}

// Render returns a file for each dashboard, by its path below this module.
func Render() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, b := range boards.All() {
		built, err := board(b).Build()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Title, err)
		}
		text, err := json.MarshalIndent(built, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Title, err)
		}
		files["grafana/dashboards/"+b.UID+".json"] = append(text, '\n')
	}
	return files, nil
}

// board renders the first schema of dashboards: Grafana's provisioning from files reads it in all versions, and the
// second (dashboardv2) only in new ones.
//
//nolint:staticcheck // the SDK prefers the second
func board(b boards.Board) *dashboard.DashboardBuilder {
	d := dashboard.NewDashboardBuilder(b.Title).Uid(b.UID).Description(b.Description).Tags([]string{"haberdash"}).
		Readonly().Refresh("10s").Time("now-1h", "now").Timezone("browser").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Dashboards of the shop").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{"haberdash"}).AsDropdown(true).KeepTime(true))
	for _, r := range b.Rows {
		d = d.WithRow(dashboard.NewRowBuilder(r.Title))
		for _, p := range r.Panels {
			d = d.WithPanel(panel(p, width(r)))
		}
	}
	return d
}

// width is that of each panel of a row. Numbers stand in one line, pictures two or three in a line.
func width(r boards.Row) uint32 {
	n := len(r.Panels)
	switch {
	case r.Panels[0].Kind == boards.Stat:
		return uint32(columns / min(n, 8))
	case n == 1:
		return columns
	case n%3 == 0 || n == 5:
		return columns / 3
	}
	return columns / 2
}

func panel(p boards.Panel, width uint32) cog.Builder[dashboard.Panel] {
	if p.Kind == boards.Stat {
		b := stat.NewPanelBuilder().Title(p.Title).Description(p.Description).Unit(string(p.Unit)).Datasource(source).
			Span(width).Height(4).Thresholds(thresholds(p)).NoValue("–").
			GraphMode(common.BigValueGraphModeArea).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"}))
		for i, q := range p.Queries {
			b = b.WithTarget(query(i, q))
		}
		return b
	}
	b := timeseries.NewPanelBuilder().Title(p.Title).Description(p.Description).Unit(string(p.Unit)).Datasource(source).
		Span(width).Height(8).Min(0).FillOpacity(8).LineWidth(1.5).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).Placement(common.LegendPlacementBottom).
			DisplayMode(common.LegendDisplayModeTable).Calcs([]string{"lastNotNull", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).
			Sort(common.SortOrderDescending))
	if p.Kind == boards.Stacked {
		b = b.FillOpacity(25).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
	}
	for i, q := range p.Queries {
		b = b.WithTarget(query(i, q).Exemplar(true))
	}
	return b
}

func query(i int, q boards.Query) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().RefId(string(rune('A' + i))).Expr(q.Expr).LegendFormat(q.Legend).Range()
}

// thresholds colour a number red beyond its limits.
func thresholds(p boards.Panel) *dashboard.ThresholdsConfigBuilder {
	steps := []dashboard.Threshold{{Color: "green"}}
	switch {
	case p.Above != nil:
		// Grafana's steps include their value, and Above does not.
		v := *p.Above
		if v == 0 {
			v = 1e-9
		}
		steps = append(steps, dashboard.Threshold{Value: &v, Color: "red"})
	case p.Below != nil:
		steps = []dashboard.Threshold{{Color: "red"}, {Value: p.Below, Color: "green"}}
	default:
		steps[0].Color = "text"
	}
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)
}
