package rules

// logs are the alerts about the logs of events.
func logs() Group {
	labels := Labels{"app": "orders", "log": "orders"}
	series := func(metric, more string) string {
		return metric + `{app="orders",instance="a",log="orders"` + more + `}`
	}
	return Group{Name: "log", Alerts: []Alert{
		{
			Name: "CommitsFail", Severity: Page, For: "1m",
			Expr:    `sum by (app, log) (increase(log_write_duration_seconds_count{outcome="failed"}[5m])) > 0`,
			Summary: "{{ $labels.app }} cannot write into the log {{ $labels.log }}: what customers change is refused.",
			Fault:   []Series{{series("log_write_duration_seconds_count", `,outcome="failed"`), "0 0 0+3x20"}},
			Healthy: []Series{{series("log_write_duration_seconds_count", `,outcome="failed"`), "4x20"},
				{series("log_write_duration_seconds_count", `,outcome="lost"`), "0+5x20"}},
			At: "8m", Labels: labels,
		},
		{
			// The publisher of one replica publishes; the others only know how far it is.
			Name: "PublisherStandsStill", Severity: Page, For: "3m",
			Expr: "max by (app, log) (log_events_head) > max by (app, log) (log_events_published) and " +
				"max by (app, log) (changes(log_events_published[5m])) == 0",
			Summary: "The events of {{ $labels.log }} are not published, so other apps learn late what has happened.",
			Fault: []Series{{series("log_events_head", ""), "5+2x20"},
				{series("log_events_published", ""), "5x20"}},
			Healthy: []Series{{series("log_events_head", ""), "5+2x20"}, {series("log_events_published", ""), "4+2x20"}},
			At:      "12m", Labels: labels,
		},
		{
			Name: "EventsRefusedByBroker", Severity: Ticket,
			Expr:    "sum by (app, log) (increase(log_events_unpublished_total[1h])) > 0",
			Summary: "The broker refuses an event of {{ $labels.log }}; consumers read it from the feed.",
			Fault:   []Series{{series("log_events_unpublished_total", ""), "0 0 1x10"}},
			Healthy: []Series{{series("log_events_unpublished_total", ""), "1x12"}}, At: "8m", Labels: labels,
		},
		{
			// A checkpoint is due each second, so a few failures in ten minutes are a hiccup of the store.
			Name: "CheckpointsFail", Severity: Ticket, For: "3m",
			Expr:    "sum by (app, log) (increase(log_checkpoint_failures_total[10m])) > 5",
			Summary: "The checkpoints of {{ $labels.log }} fail, so a start of {{ $labels.app }} takes longer and longer.",
			Fault:   []Series{{series("log_checkpoint_failures_total", ""), "0+10x20"}},
			Healthy: []Series{{series("log_checkpoint_failures_total", ""), "0 0 2x20"}}, At: "10m", Labels: labels,
		},
		{
			Name: "CheckpointTooOld", Severity: Ticket, For: "1m",
			Expr:    "time() - max by (app, log) (log_checkpoint_last_success_timestamp_seconds) > 600",
			Summary: "{{ $labels.app }} has made no checkpoint of {{ $labels.log }} for ten minutes.",
			Fault:   []Series{{series("log_checkpoint_last_success_timestamp_seconds", ""), "0x20"}},
			Healthy: []Series{{series("log_checkpoint_last_success_timestamp_seconds", ""), "0+60x20"}},
			At:      "15m", Labels: labels,
		},
		{
			Name: "DocumentsSetAside", Severity: Ticket,
			Expr:    "max by (app, log) (log_documents_set_aside) > 0",
			Summary: "The store refuses a document of {{ $labels.log }}, which {{ $labels.app }} keeps in memory.",
			Fault:   []Series{{series("log_documents_set_aside", ""), "0 0 1x10"}},
			Healthy: []Series{{series("log_documents_set_aside", ""), "0x12"}}, At: "8m", Labels: labels,
		},
		{
			Name: "ProjectionBehind", Severity: Ticket, For: "5m",
			Expr:    "max by (app, projection) (projection_lag_commits) > 100",
			Summary: "{{ $labels.projection }} in {{ $labels.app }} does not show what has happened lately.",
			Fault:   []Series{{`projection_lag_commits{app="orders",instance="a",projection="orders/list"}`, "0+100x20"}},
			Healthy: []Series{{`projection_lag_commits{app="orders",instance="a",projection="orders/list"}`, "0 5 0 300 0x20"}},
			At:      "12m", Labels: Labels{"app": "orders", "projection": "orders/list"},
		},
	}}
}

// consumers are the alerts about apps that follow the logs of others.
func consumers() Group {
	labels := Labels{"app": "cart", "log": "orders"}
	series := func(metric string) string { return metric + `{app="cart",instance="a",log="orders"}` }
	return Group{Name: "consumers", Alerts: []Alert{
		{
			Name: "ConsumerLags", Severity: Ticket, For: "2m",
			Expr:    "max by (app, log) (consumer_lag_seconds) > 60",
			Summary: "{{ $labels.app }} has not handled an event of {{ $labels.log }} that is older than a minute.",
			Fault:   []Series{{series("consumer_lag_seconds"), "0+60x20"}},
			Healthy: []Series{{series("consumer_lag_seconds"), "0 3 1 90 0x20"}}, At: "10m", Labels: labels,
		},
		{
			Name: "ConsumerStandsStill", Severity: Page, For: "3m",
			Expr: "max by (app, log) (consumer_lag_events) > 0 and " +
				"max by (app, log) (changes(consumer_position[5m])) == 0",
			Summary: "{{ $labels.app }} handles no event of {{ $labels.log }}, although there are some.",
			Fault:   []Series{{series("consumer_lag_events"), "1+3x20"}, {series("consumer_position"), "40x20"}},
			Healthy: []Series{{series("consumer_lag_events"), "1+3x20"}, {series("consumer_position"), "40+2x20"}},
			At:      "12m", Labels: labels,
		},
		{
			Name: "DeadLetters", Severity: Ticket,
			Expr:    "max by (app, log) (consumer_dead_letters) > 0",
			Summary: "{{ $labels.app }} could not handle an event of {{ $labels.log }}, and somebody must decide about it.",
			Fault:   []Series{{series("consumer_dead_letters"), "0 0 1x10"}},
			Healthy: []Series{{series("consumer_dead_letters"), "0x12"}}, At: "8m", Labels: labels,
		},
	}}
}

// invariants are the promises of the shop, which a watcher checks by the feeds of all logs.
func invariants() Group {
	const violated = `haberdash_invariant_violations{app="watcher",instance="a",invariant="1"}`
	const checked = `haberdash_invariant_last_check_timestamp_seconds{app="watcher",instance="a",invariant="1"}`
	return Group{Name: "invariants", Alerts: []Alert{
		{
			Name: "InvariantViolated", Severity: Page,
			Expr:    "max by (invariant) (haberdash_invariant_violations) > 0",
			Summary: "The shop has broken its promise {{ $labels.invariant }}.",
			Fault:   []Series{{violated, "0 0 1x10"}}, Healthy: []Series{{violated, "0x12"}},
			At: "8m", Labels: Labels{"invariant": "1"},
		},
		{
			// Documents (5) are compared with the logs every few hours only.
			Name: "WatcherStandsStill", Severity: Ticket, For: "5m",
			Expr: "time() - max by (invariant) " +
				"(haberdash_invariant_last_check_timestamp_seconds{invariant!=\"5\"}) > 600",
			Summary: "The watcher has not checked promise {{ $labels.invariant }} for ten minutes.",
			Fault:   []Series{{checked, "0x30"}}, Healthy: []Series{{checked, "0+60x30"}},
			At: "20m", Labels: Labels{"invariant": "1"},
		},
	}}
}
