package main

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

// lag is how many events an app has handled within how many seconds, from its event_lag_seconds, summed over types
// of events.
type lag map[float64]float64

// lagOf reads an app's own figures.
func lagOf(s *launch.Shop, app string) (lag, error) {
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
	l := lag{}
	if family := families["event_lag_seconds"]; family != nil {
		for _, m := range family.Metric {
			for _, b := range m.Histogram.Bucket {
				l[b.GetUpperBound()] += float64(b.GetCumulativeCount())
			}
		}
	}
	return l, nil
}

func lags(s *launch.Shop) (map[string]lag, error) {
	all := map[string]lag{}
	for _, app := range roster.FollowersOf(roster.OrdersLog) {
		var err error
		if all[app], err = lagOf(s, app); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// since gives each app's 95th percentile of the events since before, of which the last may need a moment.
func since(ctx context.Context, s *launch.Shop, before map[string]lag) (map[string]float64, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now, err := lags(s)
	if err != nil {
		return nil, err
	}
	found := map[string]float64{}
	for app, l := range now {
		if q := l.quantile(before[app], 0.95); q > 0 {
			found[app] = q
		}
	}
	return found, nil
}

// quantile gives the bound, in milliseconds, within which the share of the events since before was handled; 0
// without any.
func (l lag) quantile(before lag, share float64) float64 {
	var bounds []float64
	for b := range l {
		bounds = append(bounds, b)
	}
	slices.Sort(bounds)
	if len(bounds) == 0 {
		return 0
	}
	last := bounds[len(bounds)-1]
	all := l[last] - before[last]
	for _, b := range bounds {
		if all > 0 && l[b]-before[b] >= share*all {
			return b * 1000
		}
	}
	return 0
}
