// Package metrictest reads metrics in tests.
package metrictest

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// Read gathers a registry and returns the value of each series by its name in Prometheus' text format, such as
// `mails_total{kind="receipt",outcome="sent"}`. A histogram has two: its name with _count and with _sum.
func Read(t require.TestingT, from prometheus.Gatherer) map[string]float64 {
	families, err := from.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var pairs []string
			for _, l := range m.GetLabel() {
				pairs = append(pairs, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			labels := ""
			if len(pairs) > 0 {
				labels = "{" + strings.Join(pairs, ",") + "}"
			}
			if h := m.GetHistogram(); h != nil {
				values[family.GetName()+"_count"+labels] = float64(h.GetSampleCount())
				values[family.GetName()+"_sum"+labels] = h.GetSampleSum()
				continue
			}
			values[family.GetName()+labels] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}
