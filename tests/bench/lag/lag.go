// Package lag reads how long the consumers of the orders' log need from the commit of an event until they have handled
// it.
package lag

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"haberdash/dapr/launch"
	"haberdash/internal/roster"
)

// Histogram is an app's metric event_lag_seconds, summed over event types: the number of events that the app has
// handled within so many seconds.
type Histogram map[float64]float64

// readApp reads the histogram of one app.
func readApp(s *launch.Shop, app string) (Histogram, error) {
	res, err := http.Get(s.AppURL(app) + "/metrics")
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", app, err)
	}
	h := Histogram{}
	if family := families["event_lag_seconds"]; family != nil {
		for _, m := range family.Metric {
			for _, b := range m.Histogram.Bucket {
				h[b.GetUpperBound()] += float64(b.GetCumulativeCount())
			}
		}
	}
	return h, nil
}

// Read reads the histograms of all apps that consume the log of the orders.
func Read(s *launch.Shop) (map[string]Histogram, error) {
	all := map[string]Histogram{}
	for _, app := range roster.FollowersOf(roster.OrdersLog) {
		var err error
		if all[app], err = readApp(s, app); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Since returns the 95th percentile of each app, in milliseconds, of the events since before. It waits a second for
// the last events.
func Since(ctx context.Context, s *launch.Shop, before map[string]Histogram) (map[string]float64, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now, err := Read(s)
	if err != nil {
		return nil, err
	}
	found := map[string]float64{}
	for app, h := range now {
		if q := h.quantile(before[app], 0.95); q > 0 {
			found[app] = q
		}
	}
	return found, nil
}

// quantile returns the bound, in milliseconds, within which the share of the events since before was handled. It
// returns 0 if there were no events.
func (h Histogram) quantile(before Histogram, share float64) float64 {
	var bounds []float64
	for b := range h {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	if len(bounds) == 0 {
		return 0
	}
	last := bounds[len(bounds)-1]
	all := h[last] - before[last]
	for _, b := range bounds {
		if all > 0 && h[b]-before[b] >= share*all {
			return b * 1000
		}
	}
	return 0
}
