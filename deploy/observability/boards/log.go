package boards

// CommitLog is about the logs of events: how commands become commits, checkpoints and published events.
func CommitLog() Board {
	return Board{
		UID: "haberdash-log", Title: "Commit log",
		Description: "How fast commands become commits, and how far checkpoints, publication and projections are behind.",
		Rows: []Row{
			{"Commits", []Panel{
				{Title: "Commits", Description: "Commits that were written into a log.", Unit: PerSecond,
					Queries: one(perSecond(`log_write_duration_seconds_count{outcome="written"}`, "log"), "{{log}}")},
				{Title: "Commands in a commit", Description: "Average number of commands that share a commit.", Unit: Count,
					Queries: one(perSecond("log_batch_commands_sum", "log")+" / "+perSecond("log_batch_commands_count", "log"),
						"{{log}}")},
				{Title: "Wait for a commit", Description: "From the arrival of a command in the queue to its answer.",
					Unit: Seconds, Queries: quantiles("log_commit_wait_seconds", "")},
				{Title: "Time of a write", Description: "95 of 100 writes of a commit take at most this time.", Unit: Seconds,
					Queries: one(quantile(0.95, "log_write_duration_seconds", "", "log, outcome"), "{{log}} {{outcome}}")},
				{Title: "Writes by outcome", Description: "A write is lost if another writer has created the commit first.",
					Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("log_write_duration_seconds_count", "outcome"), "{{outcome}}")},
				{Title: "Aggregates in memory", Description: "Aggregates that need not be read from the store.", Unit: Count,
					Queries: one("max by (app, log) (log_aggregates_in_memory)", "{{app}} {{log}}")},
			}},
			{"Publication", []Panel{
				{Title: "Events that wait for publication", Description: "Events in the log that were not given to the broker.",
					Unit:    Count,
					Queries: one("max by (log) (log_events_head) - max by (log) (log_events_published)", "{{log}}")},
				{Title: "Events the broker refused", Description: "Consumers read these events from the feed.", Unit: PerSecond,
					Queries: one(perSecond("log_events_unpublished_total", "log"), "{{log}}")},
			}},
			{"Checkpoints and projections", []Panel{
				{Title: "Commits since the checkpoint", Description: "Commits that a start would have to read.", Unit: Count,
					Queries: one("max by (log) (log_head) - max by (log) (log_checkpoint)", "{{log}}")},
				{Title: "Age of the checkpoint", Description: "Time since a checkpoint succeeded.", Unit: Seconds,
					Queries: one("time() - max by (log) (log_checkpoint_last_success_timestamp_seconds)", "{{log}}")},
				{Title: "Checkpoints that failed", Description: "Attempts that the store refused or did not answer.",
					Unit: PerSecond, Queries: one(perSecond("log_checkpoint_failures_total", "log"), "{{log}}")},
				{Title: "Projections behind", Description: "Commits that a projection has not read.", Unit: Count,
					Queries: one("max by (app, projection) (projection_lag_commits)", "{{app}} {{projection}}")},
				{Title: "Documents set aside", Description: "Documents that the store refuses.", Unit: Count,
					Queries: one("max by (log) (log_documents_set_aside)", "{{log}}")},
			}},
		},
	}
}

// Consumers is about apps that follow the logs of other apps.
func Consumers() Board {
	return Board{
		UID: "haberdash-consumers", Title: "Consumers",
		Description: "How far the apps are behind the events that they follow, and which events they cannot handle.",
		Rows: []Row{
			{"Lag", []Panel{
				{Title: "Events behind", Description: "Events of a log that an app has not handled.", Unit: Count,
					Queries: one("max by (app, log) (consumer_lag_events)", "{{app}} ← {{log}}")},
				{Title: "Time behind", Description: "Age of the oldest event that an app has not handled.", Unit: Seconds,
					Queries: one("max by (app, log) (consumer_lag_seconds)", "{{app}} ← {{log}}")},
				{Title: "From the commit to the handler", Description: "95 of 100 events are handled within this time.",
					Unit: Seconds, Queries: one(quantile(0.95, "event_lag_seconds", "", "app"), "{{app}}")},
				{Title: "Events handled", Description: "How fast an app moves forward in a log.", Unit: PerSecond,
					Queries: one(perSecond("event_handler_duration_seconds_count", "app, outcome"), "{{app}} {{outcome}}")},
			}},
			{"Handlers", []Panel{
				{Title: "Time of a handler", Description: "95 of 100 events of a type are handled within this time.",
					Unit: Seconds, Queries: one(quantile(0.95, "event_handler_duration_seconds", "", "type"), "{{type}}")},
				{Title: "Events by type", Description: "Events that handlers were given.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("event_handler_duration_seconds_count", "type"), "{{type}}")},
				{Title: "Dead letters", Description: "Events that wait until somebody replays or discards them.", Unit: Count,
					Queries: one("max by (app, log) (consumer_dead_letters)", "{{app}} ← {{log}}")},
				{Title: "New dead letters", Description: "Events that became dead letters.", Unit: PerMinute,
					Queries: one("60 * "+perSecond("consumer_dead_letters_total", "app, type"), "{{app}} {{type}}")},
			}},
		},
	}
}
