package rules

import "fmt"

// An objective (SLO) says which part of the requests over 30 days must be good. The rest is its error budget.
//
// The alerts follow chapter 5 of Google's SRE workbook: a burn rate of 14.4 spends 2 % of the budget in an hour, 6
// spends 5 % in six hours, and 1 spends 10 % in three days. Each has a second, short window, so that the alert ends
// soon after the fault.
type objective struct {
	name  string // label slo
	alert string
	what  string // for the summary
	good  float64
	// ratio is the part of the requests that are not good, over a window.
	ratio func(window string) string
	// series are requests of a healthy shop and of one that answers a part of them badly, for the test.
	series func(bad float64) []Series
}

// The requests that the objectives are about, as the gateway sees them.
const (
	placing = `app="gateway",route="/api/v1/orders",method="POST"`
	reading = `app="gateway",route=~"/api/v1/.+",route!~".+/stream",method="GET"`
)

func slos() []objective {
	return []objective{
		{"placement-availability", "PlacementAvailability", "place an order and get an error", 0.999,
			unavailable(placing), available("/api/v1/orders", "POST")},
		{"placement-latency", "PlacementLatency", "wait longer than a second for the answer to an order", 0.99,
			slower(placing, "1|1.0"), fast("/api/v1/orders", "POST", "1")},
		{"read-availability", "ReadAvailability", "read something and get an error", 0.999,
			unavailable(reading), available("/api/v1/products", "GET")},
		{"read-latency", "ReadLatency", "wait longer than 250 ms for a page", 0.99,
			slower(reading, "0.25"), fast("/api/v1/products", "GET", "0.25")},
	}
}

// unavailable counts answers with 5xx. A request that the gateway refuses because the shop is full (503) is among them.
func unavailable(selector string) func(string) string {
	return func(window string) string {
		all := fmt.Sprintf("sum(rate(http_request_duration_seconds_count{%s}[%s]))", selector, window)
		bad := fmt.Sprintf("sum(rate(http_request_duration_seconds_count{%s,status=~\"5..\"}[%s]))", selector, window)
		return fmt.Sprintf("(%s or 0 * %s) / (%s > 0)", bad, all, all)
	}
}

// slower counts the answers, other than 5xx, that took longer than a bucket's bound. The bound 1 is written "1" in
// Prometheus' text format and "1.0" in OpenMetrics.
func slower(selector, bound string) func(string) string {
	return func(window string) string {
		return fmt.Sprintf("1 - sum(rate(http_request_duration_seconds_bucket{%s,status!~\"5..\",le=~\"%s\"}[%s])) / "+
			"(sum(rate(http_request_duration_seconds_count{%s,status!~\"5..\"}[%s])) > 0)",
			selector, bound, window, selector, window)
	}
}

func objectives() Group {
	g := Group{Name: "objectives", testEvery: "5m"}
	for _, o := range slos() {
		labels := Labels{"slo": o.name}
		g.Records = append(g.Records, Record{"slo:error_budget:ratio", fmt.Sprintf("vector(%.4g)", 1-o.good), labels})
		for _, window := range []string{"5m", "30m", "1h", "6h", "3d"} {
			g.Records = append(g.Records, Record{"slo:error_ratio:rate" + window, o.ratio(window), labels})
		}
	}
	for _, o := range slos() {
		burns := func(long, short string, rate float64) string {
			limit := fmt.Sprintf("%.4g", rate*(1-o.good))
			return fmt.Sprintf("(slo:error_ratio:rate%[2]s{slo=%[1]q} > %[4]s and slo:error_ratio:rate%[3]s{slo=%[1]q} > %[4]s)",
				o.name, long, short, limit)
		}
		healthy := o.series((1 - o.good) / 2)
		g.Alerts = append(g.Alerts,
			Alert{Name: o.alert, Severity: Page, For: "2m", Expr: burns("1h", "5m", 14.4) + " or " + burns("6h", "30m", 6),
				Summary: "So many customers " + o.what + " that the budget of a month will last for some days at most.",
				Fault:   o.series(0.3), Healthy: healthy, At: "20m", Labels: Labels{"slo": o.name}},
			Alert{Name: o.alert, Severity: Ticket, For: "1h", Expr: burns("3d", "6h", 1),
				Summary: "More customers than agreed " + o.what + ".",
				Fault:   o.series(2 * (1 - o.good)), Healthy: healthy, At: "3h", Labels: Labels{"slo": o.name}})
	}
	return g
}

// available are 10000 requests a minute of which a part is answered with 503.
func available(route, method string) func(bad float64) []Series {
	return func(bad float64) []Series {
		return []Series{
			{count(route, method, "200"), rising(10000 * (1 - bad))},
			{count(route, method, "503"), rising(10000 * bad)},
		}
	}
}

// fast are 10000 requests a minute of which a part takes longer than a bound.
func fast(route, method, bound string) func(bad float64) []Series {
	return func(bad float64) []Series {
		bucket := fmt.Sprintf(`http_request_duration_seconds_bucket{app="gateway",route=%q,method=%q,status="200",le=%q}`,
			route, method, bound)
		return []Series{{count(route, method, "200"), rising(10000)}, {bucket, rising(10000 * (1 - bad))}}
	}
}

func count(route, method, status string) string {
	return fmt.Sprintf(`http_request_duration_seconds_count{app="gateway",route=%q,method=%q,status=%q}`,
		route, method, status)
}

// rising are the values of a counter for four hours.
func rising(perMinute float64) string { return fmt.Sprintf("0+%.0fx240", perMinute) }
