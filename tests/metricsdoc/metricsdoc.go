// Package metricsdoc reads docs/metrics.md, so that tests can compare it with the source code and with a running shop.
package metricsdoc

import (
	"fmt"
	"regexp"
	"strings"
)

// Metric is a row of a table.
type Metric struct {
	Name   string // ends in "*" for a family of metrics, such as go_*
	Labels []string
}

// Family reports whether the row stands for all metrics whose names begin alike.
func (m Metric) Family() bool { return strings.HasSuffix(m.Name, "*") }

// Metrics are the rows of all tables of metrics.
type Metrics []Metric

// Find returns the row of a metric, nil if there is none.
func (m Metrics) Find(name string) *Metric {
	for i, row := range m {
		if row.Name == name || row.Family() && strings.HasPrefix(name, strings.TrimSuffix(row.Name, "*")) {
			return &m[i]
		}
	}
	return nil
}

var quoted = regexp.MustCompile("`([^`]+)`")

// Parse reads the rows of the tables whose first column is "metric" and whose second is "labels". Error: a row names no
// metric, or a metric has two rows.
func Parse(page []byte) (Metrics, error) {
	var found Metrics
	names, table := map[string]bool{}, false
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 {
			table = false
			continue
		}
		first, second := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])
		switch {
		case first == "metric" && second == "labels":
			table = true
			continue
		case !table, strings.HasPrefix(first, "---"):
			continue
		}
		rows := quoted.FindAllStringSubmatch(first, -1)
		if len(rows) == 0 {
			return nil, fmt.Errorf("a row names no metric: %s", line)
		}
		for _, row := range rows {
			m := Metric{Name: row[1]}
			for _, label := range quoted.FindAllStringSubmatch(second, -1) {
				m.Labels = append(m.Labels, label[1])
			}
			if names[m.Name] {
				return nil, fmt.Errorf("%s has two rows", m.Name)
			}
			names[m.Name] = true
			found = append(found, m)
		}
	}
	return found, nil
}
