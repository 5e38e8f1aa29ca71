package rules

// stores are the alerts about the store and the broker themselves, by their exporters. That operations on them fail is
// what StoreFails and PublisherStandsStill tell; these tell why. A shop has the servers that it has chosen, and the
// series of the others are absent.
func stores() Group {
	const (
		redis    = `app="redis",kind="store",instance="a"`
		postgres = `app="postgres",kind="store",instance="a"`
		kafka    = `app="kafka",kind="broker",instance="a"`
	)
	ofRedis := Labels{"app": "redis", "kind": "store", "instance": "a"}
	series := func(metric, labels, values string) []Series { return []Series{{metric + "{" + labels + "}", values}} }
	return Group{Name: "stores", Alerts: []Alert{
		{
			Name: "StoreDown", Severity: Page, For: "1m",
			Expr:    `min by (app, kind, instance) (redis_up{kind="store"} or pg_up) == 0`,
			Summary: "The store ({{ $labels.app }}) does not answer, so everything that changes something is refused.",
			Fault:   series("redis_up", redis, "1 0x20"), Healthy: series("redis_up", redis, "1 0 1x20"), At: "5m",
			Labels: ofRedis,
		},
		{
			// Kafka has no metric that says so. An exporter that answers has no offsets if no broker does.
			Name: "BrokerDown", Severity: Page, For: "1m",
			Expr: `min by (app, kind, instance) (redis_up{kind="broker"}) == 0 or ` +
				`max by (app, kind, instance) (up{app="kafka",kind="broker"}) == 1 ` +
				`unless on (instance) kafka_topic_partition_current_offset`,
			Summary: "The broker ({{ $labels.app }}) does not answer, so apps learn later what has happened.",
			Fault: []Series{{"up{" + kafka + "}", "1x20"},
				{`kafka_topic_partition_current_offset{` + kafka + `,topic="orders",partition="0"}`, "7 7 stale"}},
			Healthy: []Series{{"up{" + kafka + "}", "1x20"},
				{`kafka_topic_partition_current_offset{` + kafka + `,topic="orders",partition="0"}`, "7x20"}},
			At: "10m", Labels: Labels{"app": "kafka", "kind": "broker", "instance": "a"},
		},
		{
			Name: "BrokerUnderReplicated", Severity: Ticket, For: "5m",
			Expr: "sum by (app, instance) (kafka_topic_partition_under_replicated_partition) > 0",
			Summary: "Partitions of Kafka lack a replica, so the loss of one more broker may stop publication, or lose " +
				"messages.",
			Fault: series("kafka_topic_partition_under_replicated_partition", kafka+`,topic="orders",partition="0"`, "0 1x20"),
			Healthy: series("kafka_topic_partition_under_replicated_partition", kafka+`,topic="orders",partition="0"`,
				"0 1 1 0x20"),
			At: "12m", Labels: Labels{"app": "kafka", "instance": "a"},
		},
		{
			// A server without a limit has maxmemory 0.
			Name: "RedisMemoryNearLimit", Severity: Page, For: "2m",
			Expr:    "max by (app, instance) (redis_memory_used_bytes / (redis_memory_max_bytes > 0)) > 0.9",
			Summary: "Redis has used nine tenths of its memory; at the limit it refuses writes.",
			Fault:   redisMemory(redis, "95e6x20"), Healthy: redisMemory(redis, "50e6x20"), At: "6m",
			Labels: Labels{"app": "redis", "instance": "a"},
		},
		{
			Name: "RedisEvictsKeys", Severity: Page,
			Expr:    "sum by (app, instance) (increase(redis_evicted_keys_total[10m])) > 0",
			Summary: "Redis removes keys for lack of memory, so the shop loses data.",
			Fault:   series("redis_evicted_keys_total", redis, "0 0 3x10"),
			Healthy: series("redis_evicted_keys_total", redis, "3x12"), At: "8m",
			Labels: Labels{"app": "redis", "instance": "a"},
		},
		{
			Name: "RedisPersistenceFails", Severity: Page, For: "1m",
			Expr: "min by (app, instance) (redis_aof_last_write_status) == 0 or " +
				"min by (app, instance) (redis_aof_last_bgrewrite_status) == 0 or " +
				"min by (app, instance) (redis_rdb_last_bgsave_status) == 0",
			Summary: "Redis cannot write its data to the disk; it refuses writes, or loses them when it stops.",
			Fault:   series("redis_aof_last_write_status", redis, "1 0x20"),
			Healthy: series("redis_aof_last_write_status", redis, "1 0 1x20"), At: "6m",
			Labels: Labels{"app": "redis", "instance": "a"},
		},
		{
			Name: "PostgresConnectionsNearlyUsedUp", Severity: Page, For: "1m",
			Expr: "sum by (app, instance) (pg_stat_activity_count) / " +
				"max by (app, instance) (pg_settings_max_connections) > 0.85",
			Summary: "PostgreSQL has almost no connection left; without one, requests are answered with 503.",
			Fault:   connections(postgres, "270x20"), Healthy: connections(postgres, "96x20"), At: "5m",
			Labels: Labels{"app": "postgres", "instance": "a"},
		},
	}}
}

func redisMemory(labels, used string) []Series {
	return []Series{{"redis_memory_used_bytes{" + labels + "}", used}, {"redis_memory_max_bytes{" + labels + "}", "100e6x20"}}
}

func connections(labels, idle string) []Series {
	return []Series{{`pg_stat_activity_count{` + labels + `,datname="haberdash",state="idle"}`, idle},
		{`pg_stat_activity_count{` + labels + `,datname="haberdash",state="active"}`, "4x20"},
		{`pg_settings_max_connections{` + labels + `}`, "300x20"}}
}
