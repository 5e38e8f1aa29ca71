package boards

import "slices"

// Gateway is about the public address.
func Gateway() Board {
	return Board{
		UID: "haberdash-gateway", Title: "Gateway",
		Description: "What clients ask for, what the gateway answers from its cache, and what it refuses.",
		Rows: []Row{
			{"Requests", []Panel{
				{Title: "Requests by route", Description: "Requests at the public address.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond(requests+"{"+public+"}", "method, route"), "{{method}} {{route}}")},
				{Title: "Time by route", Description: "95 of 100 requests are answered within this time.", Unit: Seconds,
					Queries: one(quantile(0.95, durations, "{"+public+`,route!~".+/stream"}`, "method, route"),
						"{{method}} {{route}}")},
				{Title: "Requests by status", Description: "Requests by the class of their status.",
					Unit: PerSecond, Kind: Stacked, Queries: []Query{byClass(public)}},
				{Title: "Errors by route", Description: "Requests that are answered with 5xx.", Unit: Ratio,
					Queries: one(failing(requests, public, serverErr, "method, route"), "{{method}} {{route}}")},
			}},
			{"Refused", []Panel{
				{Title: "Refused requests", Description: "Requests that the gateway refuses itself, by reason.", Unit: PerSecond,
					Kind: Stacked, Queries: one(perSecond("requests_refused_total", "reason"), "{{reason}}")},
				{Title: "Places in use", Description: "Requests in progress of each kind that has a limit.", Unit: Count,
					Queries: one("sum by (kind) (gateway_places_in_use)", "{{kind}}")},
				{Title: "Refused connections", Description: "Connections above the limit.", Unit: PerSecond,
					Queries: one(perSecond(`http_refused_connections_total{app="gateway"}`, ""), "connections")},
			}},
			{"Cache", []Panel{
				{Title: "Answers by the cache", Description: "Requests for cacheable answers by result.", Unit: PerSecond,
					Kind: Stacked, Queries: one(perSecond("http_cache_requests_total", "result"), "{{result}}")},
				{Title: "Size of the cache", Description: "Memory for cached answers.", Unit: Bytes,
					Queries: one("max by (instance) (http_cache_bytes)", "{{instance}}")},
				{Title: "Purges", Description: "Changes of the catalogue that made cached answers invalid.", Unit: PerMinute,
					Queries: one("60 * "+perSecond("http_cache_purges_total", ""), "purges")},
			}},
			{"Calls of apps", []Panel{
				{Title: "Calls by app", Description: "Calls that the gateway forwards.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond(calls+`_count{app="gateway",operation="invoke"}`, "target"), "{{target}}")},
				{Title: "Calls that fail", Description: "Calls without an answer, or with an answer that says the app failed.",
					Unit:    Ratio,
					Queries: one(failing(calls+"_count", `app="gateway",operation="invoke"`, badCalls, "target"), "{{target}}")},
			}},
		},
	}
}

const (
	calls    = "sidecar_call_duration_seconds"
	badCalls = `outcome=~"failed|timeout"`
)

// Sidecars is about Dapr's processes.
func Sidecars() Board {
	return Board{
		UID: "haberdash-sidecars", Title: "Sidecars",
		Description: "What Dapr's sidecars do for the apps, by their own metrics.",
		Rows: []Row{
			{"Calls between apps", []Panel{
				{Title: "Calls", Description: "Calls that a sidecar sends to another.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_runtime_service_invocation_req_sent_total", "app, dst_app_id"),
						"{{app}} → {{dst_app_id}}")},
				{Title: "Answers by status", Description: "Answers that sidecars receive from others.", Unit: PerSecond,
					Kind: Stacked, Queries: one(perSecond("dapr_runtime_service_invocation_res_recv_total", "status"), "{{status}}")},
				{Title: "Time of a call", Description: "95 of 100 calls between sidecars are answered within this time.",
					Unit: Milliseconds, Queries: one(quantile(0.95,
						"dapr_runtime_service_invocation_res_recv_latency_ms", "", "app"), "{{app}}")},
				{Title: "Retries, timeouts and breakers", Description: "Policies of resiliency.yaml that came into effect.",
					Unit: PerSecond,
					// Dapr has no series before the first one.
					Queries: one(perSecond("dapr_resiliency_activations_total", "app, policy, target")+
						` or label_replace(vector(0), "app", "none", "", "")`, "{{app}} {{policy}} {{target}}")},
			}},
			{"Interface of the sidecar", []Panel{
				{Title: "Calls of the sidecar", Description: "Calls of the apps by method.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_grpc_io_server_completed_rpcs", "grpc_server_method"), "{{grpc_server_method}}")},
				{Title: "Time of the sidecar's answers", Description: "95 of 100 calls of a method take at most this time.",
					Unit: Milliseconds, Queries: one(quantile(0.95, "dapr_grpc_io_server_server_latency",
						`{grpc_server_method=~"/dapr.+"}`, "grpc_server_method"), "{{grpc_server_method}}")},
				{Title: "Health probes", Description: "Probes of the apps by status.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_http_healthprobes_completed_count", "app, status"), "{{app}} {{status}}")},
				{Title: "Components", Description: "Components that the sidecars have loaded.", Unit: Count,
					Queries: one("sum by (app) (dapr_runtime_component_loaded)", "{{app}}")},
			}},
			{"Workflows", []Panel{
				{Title: "Workflow operations", Description: "Requests to start, read and end workflows.", Unit: PerSecond,
					Kind: Stacked, Queries: one(perSecond("dapr_runtime_workflow_operation_count", "operation, status"),
						"{{operation}} {{status}}")},
				{Title: "Time of an activity", Description: "95 of 100 activities take at most this time.", Unit: Milliseconds,
					Queries: one(quantile(0.95, "dapr_runtime_workflow_activity_execution_latency", "", "activity_name"),
						"{{activity_name}}")},
				{Title: "Reminders", Description: "Reminders of actors, which drive the workflows.", Unit: PerSecond,
					Queries: one(perSecond("dapr_runtime_actor_reminders_fired_total", "actor_type"), "{{actor_type}}")},
			}},
			{"Processes", []Panel{
				{Title: "Memory of sidecars", Description: "Resident memory.", Unit: Bytes,
					Queries: one(`max by (app) (process_resident_memory_bytes{kind="sidecar"})`, "{{app}}")},
				{Title: "Processor time of sidecars", Description: "Processors that a sidecar keeps busy.", Unit: Ratio,
					Queries: one(perSecond(`process_cpu_seconds_total{kind="sidecar"}`, "app"), "{{app}}")},
				{Title: "Goroutines of sidecars", Description: "Goroutines: steady growth is a leak.", Unit: Count,
					Queries: one(`max by (app) (go_goroutines{kind="sidecar"})`, "{{app}}")},
			}},
		},
	}
}

// Stores is about the state store and the broker, as the sidecars and their exporters see them, and about Dapr's
// control plane.
func Stores() Board {
	b := Board{
		UID: "haberdash-stores", Title: "Stores and broker",
		Description: "How fast the state store, the broker and the other servers answer the sidecars, and what the servers report about themselves.",
		Rows: []Row{
			{"State", []Panel{
				{Title: "Operations on the store", Description: "Operations of all apps.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_component_state_count", "operation"), "{{operation}}")},
				{Title: "Time of an operation", Description: "95 of 100 operations take at most this time.", Unit: Milliseconds,
					Queries: one(quantile(0.95, "dapr_component_state_latencies", "", "operation"), "{{operation}}")},
				{Title: "Operations that fail", Description: "Refused writes (another writer was first) are among them.",
					Unit: Ratio, Queries: one(failing("dapr_component_state_count", "", `success="false"`, "app"), "{{app}}")},
				{Title: "Operations by app", Description: "Who uses the store.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_component_state_count", "app"), "{{app}}")},
			}},
			{"Messages", []Panel{
				{Title: "Published", Description: "Requests to publish, each with one or more events.", Unit: PerSecond,
					Queries: one(perSecond("dapr_component_pubsub_egress_bulk_count", "topic, success"),
						"{{topic}} success={{success}}")},
				{Title: "Time to publish", Description: "95 of 100 requests to publish take at most this time.",
					Unit:    Milliseconds,
					Queries: one(quantile(0.95, "dapr_component_pubsub_egress_bulk_latencies", "", "topic"), "{{topic}}")},
				{Title: "Delivered", Description: "Events that sidecars gave to their apps, by what became of them.",
					Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond("dapr_component_pubsub_ingress_bulk_event_count", "app, process_status"),
						"{{app}} {{process_status}}")},
				{Title: "Mail", Description: "Requests to the mail server.", Unit: PerSecond,
					Queries: one(perSecond("dapr_component_output_binding_count", "success"), "success={{success}}")},
			}},
			{"Control plane", []Panel{
				{Title: "Processes that answer", Description: "Placement, scheduler and Sentry.", Unit: Count,
					Queries: one(`max by (app) (up{kind="daprcontrol"})`, "{{app}}")},
				{Title: "Jobs", Description: "Jobs that the scheduler created and triggered.", Unit: PerSecond,
					Queries: []Query{
						{perSecond("dapr_scheduler_jobs_created_total", ""), "created"},
						{perSecond("dapr_scheduler_jobs_triggered_total", ""), "triggered"}}},
				{Title: "Sidecars connected", Description: "Sidecars that the scheduler and placement know.", Unit: Count,
					Queries: []Query{
						{"sum(dapr_scheduler_sidecars_connected)", "scheduler"},
						{"max(dapr_placement_runtimes_total)", "placement"}}},
			}},
			{"Machine", []Panel{
				{Title: "Free space on disks", Description: "By the node exporter, where it runs.", Unit: Ratio,
					Queries: one(`min by (instance, mountpoint) (node_filesystem_avail_bytes{`+disks+`} / `+
						`node_filesystem_size_bytes{`+disks+`})`, "{{instance}} {{mountpoint}}")},
			}},
		},
	}
	b.Rows = slices.Insert(b.Rows, 2, servers()...)
	return b
}

// disks selects file systems that hold data.
const disks = `fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660|nsfs"`
