package boards

import "fmt"

// The series of the gateway that customers feel.
const (
	placements = `app="gateway",route="/api/v1/orders",method="POST"`
	reads      = `app="gateway",route=~"/api/v1/.+",route!~".+/stream",method="GET"`
	public     = `app="gateway",route=~"/api/v1/.+"`
	requests   = "http_request_duration_seconds_count"
	durations  = "http_request_duration_seconds"
	serverErr  = `status=~"5.."`
)

// byClass are requests by the first digit of their status.
func byClass(selector string) Query {
	return Query{fmt.Sprintf(`sum by (class) (label_replace(rate(%s{%s}[%s]), "class", "$1", "status", "(.).*"))`,
		requests, selector, window), "{{class}}xx"}
}

// Shop is the dashboard to look at first.
func Shop() Board {
	return Board{
		UID: "haberdash-shop", Title: "Shop overview",
		Description: "Whether customers can buy, how long they wait, and which part of the shop is behind.",
		Rows: []Row{
			{"Now", []Panel{
				{Title: "Orders a minute", Description: "Confirmed orders.", Unit: PerMinute, Kind: Stat,
					Queries: one(orZero("60 * "+perSecond(`orders_placed_total{outcome="confirmed"}`, "")), "confirmed")},
				{Title: "Placements that fail", Description: "Requests to place an order that are answered with 5xx.",
					Unit: Ratio, Kind: Stat, Above: limit(0.001),
					Queries: one(orZero(failing(requests, placements, serverErr, "")), "5xx")},
				{Title: "A placement takes", Description: "99 of 100 placements are answered within this time.",
					Unit: Seconds, Kind: Stat, Above: limit(1),
					Queries: one(quantile(0.99, durations, "{"+placements+"}", ""), "99 %")},
				{Title: "Undecided orders", Description: "Orders that are neither confirmed nor rejected.",
					Unit: Count, Kind: Stat, Queries: one("max(orders_undecided)", "undecided")},
				{Title: "Consumers behind", Description: "Age of the oldest event that a consumer has not handled.",
					Unit: Seconds, Kind: Stat, Above: limit(60), Queries: one("max(consumer_lag_seconds)", "lag")},
				{Title: "Dead letters", Description: "Events that a consumer could not handle and that wait for somebody.",
					Unit: Count, Kind: Stat, Above: limit(0),
					Queries: one("sum(max by (app, log) (consumer_dead_letters))", "dead letters")},
				{Title: "Apps that answer", Description: "Processes of apps that answer Prometheus.", Unit: Ratio, Kind: Stat,
					Below: limit(1), Queries: one(`avg(up{kind="app"})`, "up")},
				{Title: "Alerts", Description: "Alerts that fire.", Unit: Count, Kind: Stat, Above: limit(0),
					Queries: one(`count(ALERTS{alertstate="firing"}) or vector(0)`, "firing")},
			}},
			{"Customers", []Panel{
				{Title: "Requests by status", Description: "Requests at the public address by the class of their status.",
					Unit: PerSecond, Kind: Stacked, Queries: []Query{byClass(public)}},
				{Title: "Orders by outcome", Description: "Placed orders that were confirmed or rejected.",
					Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("orders_placed_total", "outcome"), "{{outcome}}")},
				{Title: "Time of a placement", Description: "From the request to the answer of the gateway.",
					Unit: Seconds, Queries: quantiles(durations, "{"+placements+"}")},
				{Title: "Time of a read", Description: "GET requests at the gateway, without streams.",
					Unit: Seconds, Queries: quantiles(durations, "{"+reads+"}")},
			}},
			{"What happens behind it", []Panel{
				{Title: "Payments", Description: "Requests to payment providers by outcome.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("payments_total", "outcome"), "{{outcome}}")},
				{Title: "Reservations", Description: "Reservations of stock for orders that are not decided.",
					Unit: Count, Queries: one("max(stock_reservations)", "reservations")},
				{Title: "Mails", Description: "Mails by outcome.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("mails_total", "outcome"), "{{outcome}}")},
				{Title: "Sign-ins", Description: "Attempts to sign in by outcome.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("sign_ins_total", "outcome"), "{{outcome}}")},
			}},
			{"Objectives", []Panel{
				{Title: "Burn rate", Description: "At 1 an objective is just met; at 14 its budget of 30 days is gone in two.",
					Unit: Count, Queries: one("slo:error_ratio:rate1h / on (slo) slo:error_budget:ratio", "{{slo}}")},
				{Title: "Errors against the objective", Description: "Part of the requests that miss an objective, over an hour.",
					Unit: Ratio, Queries: one("slo:error_ratio:rate1h", "{{slo}}")},
			}},
			{"Apps", []Panel{
				{Title: "Errors by app", Description: "Requests that an app answers with 5xx.", Unit: Ratio,
					Queries: one(failing(requests, "", serverErr, "app"), "{{app}}")},
				{Title: "Lag of consumers", Description: "Age of the oldest event that an app has not handled.",
					Unit: Seconds, Queries: one("max by (app) (consumer_lag_seconds)", "{{app}}")},
				{Title: "Memory of apps", Description: "Resident memory of the largest process of each app.",
					Unit: Bytes, Queries: one(`max by (app) (process_resident_memory_bytes{kind="app"})`, "{{app}}")},
				{Title: "Processor time of apps", Description: "Processors that an app keeps busy.", Unit: Ratio,
					Queries: one(perSecond(`process_cpu_seconds_total{kind="app"}`, "app"), "{{app}}")},
			}},
		},
	}
}

// Placement is about one order: how it is placed, paid and fulfilled.
func Placement() Board {
	return Board{
		UID: "haberdash-placement", Title: "Placement and lifecycle",
		Description: "What happens to an order, from the request of the buyer to the mail.",
		Rows: []Row{
			{"Placement", []Panel{
				{Title: "Placements by status", Description: "Requests to place an order by the class of their status.",
					Unit: PerSecond, Kind: Stacked, Queries: []Query{byClass(placements)}},
				{Title: "Time of each stage", Description: "95 of 100 placements pass a stage within this time.",
					Unit: Seconds, Queries: one(quantile(0.95, "order_placement_stage_duration_seconds", "", "stage"), "{{stage}}")},
				{Title: "Rejected orders", Description: "Orders that were rejected, by reason.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond(`orders_placed_total{outcome="rejected"}`, "reason"), "{{reason}}")},
				{Title: "Repeated requests", Description: "Requests that were answered from what an earlier one had done.",
					Unit: PerMinute, Queries: one("60 * "+perSecond("order_replays_total", "operation"), "{{operation}}")},
			}},
			{"Lifecycle", []Panel{
				{Title: "Undecided orders", Description: "Orders that are neither confirmed nor rejected.", Unit: Count,
					Queries: one("max(orders_undecided)", "undecided")},
				{Title: "Oldest undecided order", Description: "Age of the oldest order that is not decided.",
					Unit: Seconds, Queries: one("max(orders_undecided_oldest_seconds)", "age")},
				{Title: "Lifecycles", Description: "Orders whose workflow still runs, and those that were set aside.", Unit: Count,
					Queries: []Query{{"max(lifecycles_in_progress)", "in progress"}, {"max(lifecycles_set_aside)", "set aside"}}},
				{Title: "Activities of workflows", Description: "Activities that the sidecar of orders has run, by status.",
					Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_runtime_workflow_activity_execution_count", "activity_name, status"),
						"{{activity_name}} {{status}}")},
			}},
			{"Payment", []Panel{
				{Title: "Payments by operation", Description: "Requests to payment providers.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("payments_total", "provider, operation, outcome"),
						"{{provider}} {{operation}} {{outcome}}")},
				{Title: "Time of a payment", Description: "95 of 100 requests to a payment provider are answered within this time.",
					Unit: Seconds, Queries: one(quantile(0.95, "payment_duration_seconds", "", "provider, operation"),
						"{{provider}} {{operation}}")},
			}},
			{"Stock", []Panel{
				{Title: "Reservations held", Description: "Reservations of orders that are not decided.", Unit: Count,
					Queries: one("max(stock_reservations)", "held")},
				{Title: "Reservations", Description: "What has become of reservations.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("stock_reservations_total", "event"), "{{event}}")},
			}},
			{"Mails", []Panel{
				{Title: "Mails by kind", Description: "Mails by kind and outcome.", Unit: PerMinute, Kind: Stacked,
					Queries: one("60 * "+perSecond("mails_total", "kind, outcome"), "{{kind}} {{outcome}}")},
				{Title: "Time to send a mail", Description: "From the call of the mail server to its answer.", Unit: Seconds,
					Queries: quantiles("mail_send_duration_seconds", "")},
			}},
		},
	}
}
