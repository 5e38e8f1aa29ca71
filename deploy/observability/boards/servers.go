package boards

// servers are the rows about the servers themselves, by their exporters. A shop has the servers that it has chosen, so
// the panels of the others are empty.
func servers() []Row {
	return []Row{
		of("redis", Row{"Redis", []Panel{
			{Title: "Memory of Redis", Description: "Used memory and its limit (0: none); at the limit Redis refuses writes.",
				Unit: Bytes,
				Queries: []Query{
					{"max by (instance) (redis_memory_used_bytes)", "used {{instance}}"},
					{"max by (instance) (redis_memory_max_bytes)", "limit {{instance}}"}}},
			{Title: "Evicted keys", Description: "Keys that Redis removed for lack of memory: the shop has lost data.",
				Unit: PerSecond, Queries: one(perSecond("redis_evicted_keys_total", "instance"), "{{instance}}")},
			{Title: "Commands", Description: "The eight most frequent commands of all clients.", Unit: PerSecond,
				Kind: Stacked, Queries: one("topk(8, "+perSecond("redis_commands_total", "cmd")+" > 0)", "{{cmd}}")},
			{Title: "Time of a command", Description: "Average time in the server, without the network.", Unit: Seconds,
				Queries: one(perSecond("redis_commands_duration_seconds_total", "instance")+" / "+
					perSecond("redis_commands_total", "instance"), "{{instance}}")},
			{Title: "Persistence", Description: "1 if the last write to the disk succeeded; after a failure Redis refuses writes.",
				Unit: Count, Queries: []Query{
					{"min by (instance) (redis_aof_last_write_status)", "append-only file {{instance}}"},
					{"min by (instance) (redis_aof_last_bgrewrite_status)", "its rewrite {{instance}}"},
					{"min by (instance) (redis_rdb_last_bgsave_status)", "snapshot {{instance}}"}}},
		}}),
		of("postgres", Row{"PostgreSQL", []Panel{
			{Title: "Connections", Description: "Connections by state, and how many PostgreSQL accepts.", Unit: Count,
				Queries: []Query{
					{"sum by (state) (pg_stat_activity_count) > 0", "{{state}}"},
					{"max(pg_settings_max_connections)", "limit"}}},
			{Title: "Transactions", Description: "Transactions that were committed or rolled back.", Unit: PerSecond,
				Kind: Stacked, Queries: []Query{
					{perSecond("pg_stat_database_xact_commit", ""), "committed"},
					{perSecond("pg_stat_database_xact_rollback", ""), "rolled back"}}},
			{Title: "Read from memory", Description: "Part of the blocks that PostgreSQL need not read from the disk.",
				Unit: Ratio, Queries: one("1 - "+perSecond("pg_stat_database_blks_read", "instance")+" / ("+
					perSecond("pg_stat_database_blks_read", "instance")+" + "+
					perSecond("pg_stat_database_blks_hit", "instance")+")", "{{instance}}")},
			{Title: "Deadlocks", Description: "Transactions that PostgreSQL ended because each waited for another.",
				Unit: PerMinute, Queries: one("60 * "+perSecond("pg_stat_database_deadlocks", "instance"), "{{instance}}")},
			{Title: "Oldest transaction", Description: "Age of the oldest open transaction; it keeps old rows from being removed.",
				Unit:    Seconds,
				Queries: one(`max by (instance) (pg_stat_activity_max_tx_duration{state!="idle"})`, "{{instance}}")},
			{Title: "Size of databases", Description: "Space that each database takes on the disk.", Unit: Bytes,
				Queries: one(`max by (datname) (pg_database_size_bytes{datname!~"template.+"})`, "{{datname}}")},
		}}),
		of("kafka", Row{"Kafka", []Panel{
			{Title: "Messages in", Description: "Messages that brokers received, by topic.", Unit: PerSecond, Kind: Stacked,
				Queries: one(perSecond(`kafka_topic_partition_current_offset{topic!~"__.+"}`, "topic"), "{{topic}}")},
			{Title: "Lag of groups", Description: "Messages that an app has not acknowledged; it may have read them in a feed.",
				Unit:    Count,
				Queries: one("sum by (consumergroup, topic) (kafka_consumergroup_lag)", "{{consumergroup}} ← {{topic}}")},
			{Title: "Partitions with missing replicas", Description: "Partitions of which a replica is not in sync.", Unit: Count,
				Queries: one("sum by (instance) (kafka_topic_partition_under_replicated_partition)", "{{instance}}")},
		}}),
	}
}

// of marks the panels of a row as those of a server.
func of(server string, r Row) Row {
	for i := range r.Panels {
		r.Panels[i].Server = server
	}
	return r
}
