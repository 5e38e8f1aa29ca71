// Package boards defines the dashboards of the shop. They are written once, here: package grafana renders them for
// Grafana, and package page draws some of them itself.
package boards

import (
	"fmt"
	"strings"
	"time"
)

// Board is one dashboard.
type Board struct {
	UID         string // in the address of the dashboard
	Title       string
	Description string // one sentence
	Rows        []Row
}

// Row is a group of panels with a heading.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel shows the answers to its queries as lines over time, or as one number.
type Panel struct {
	Title       string
	Description string // one sentence
	Unit        Unit
	Kind        Kind
	Queries     []Query
	Server      string // a shop that does not use this server (redis, postgres, kafka) has no data; empty: each shop has
	// Above and Below are the values beyond which a Stat is shown as bad. Nil is none.
	Above, Below *float64
}

// Kind is how a panel is drawn.
type Kind int

// The kinds.
const (
	Lines   Kind = iota
	Stacked      // lines whose sum has a meaning
	Stat         // the present value as one large number
)

// Unit is the unit of the values of a panel, by Grafana's name for it.
type Unit string

// The units.
const (
	Count        Unit = "short"
	PerSecond    Unit = "ops"
	PerMinute    Unit = "opm"
	Seconds      Unit = "s"
	Milliseconds Unit = "ms"
	Ratio        Unit = "percentunit" // 1 is 100 %
	Bytes        Unit = "bytes"
)

// Query is an expression of PromQL, and the name of each series that it returns. A label in the name is written
// {{label}}.
type Query struct {
	Expr, Legend string
}

// window stands in an expression for the time over which a rate is computed. Grafana replaces it by a time that fits
// the resolution of the picture.
const window = "$__rate_interval"

// PromQL returns the expression with rates computed over a time, for other programs than Grafana.
func (q Query) PromQL(over time.Duration) string {
	return strings.ReplaceAll(q.Expr, window, fmt.Sprintf("%ds", int(over.Seconds())))
}

// All returns all dashboards.
func All() []Board {
	all := []Board{Shop(), Placement(), CommitLog(), Consumers(), Gateway(), Sidecars(), Stores()}
	for _, s := range Services() {
		all = append(all, s.Board())
	}
	return all
}

// perSecond is the rate of a counter, summed by labels ("" for one sum).
func perSecond(counter, by string) string {
	return sum(fmt.Sprintf("rate(%s[%s])", counter, window), by)
}

// quantile is a quantile of the observations of a histogram that a selector ("" or "{…}") picks out.
func quantile(q float64, histogram, selector, by string) string {
	labels := "le"
	if by != "" {
		labels = by + ", le"
	}
	return fmt.Sprintf("histogram_quantile(%g, %s)", q, perSecond(histogram+"_bucket"+selector, labels))
}

// quantiles are the median and the slow end of a histogram.
func quantiles(histogram, selector string) []Query {
	return []Query{
		{quantile(0.5, histogram, selector, ""), "median"},
		{quantile(0.95, histogram, selector, ""), "95 %"},
		{quantile(0.99, histogram, selector, ""), "99 %"},
	}
}

// failing is the part of a counter's rate that selector picks out, as a ratio of all.
func failing(counter, selector, bad, by string) string {
	all := perSecond(counter+braces(selector), by)
	// The second operand makes the ratio zero, not absent, if no request has failed yet.
	return fmt.Sprintf("(%s or 0 * %s) / %s", perSecond(counter+braces(join(selector, bad)), by), all, all)
}

func sum(expr, by string) string {
	if by == "" {
		return "sum(" + expr + ")"
	}
	return fmt.Sprintf("sum by (%s) (%s)", by, expr)
}

func braces(selector string) string {
	if selector == "" {
		return ""
	}
	return "{" + selector + "}"
}

func join(selectors ...string) string {
	var some []string
	for _, s := range selectors {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, ",")
}

// orZero is the value 0 where a series does not exist because nothing has happened yet.
func orZero(expr string) string { return expr + " or vector(0)" }

func one(expr, legend string) []Query { return []Query{{expr, legend}} }

func limit(v float64) *float64 { return &v }
