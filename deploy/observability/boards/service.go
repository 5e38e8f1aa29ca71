package boards

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
)

// Service is an app for which a dashboard exists.
type Service struct {
	ID       string
	Logs     bool  // it keeps a log
	Follows  bool  // it handles events of other apps
	Optional bool  // a shop may run without it, so no other app calls it
	Own      []Row // what no other app has
}

// apps is the list of the apps. "make roster" writes it.
//
//go:embed apps.json
var apps []byte

// Services returns all apps.
func Services() []Service {
	var list []Service
	if err := json.Unmarshal(apps, &list); err != nil {
		panic(fmt.Sprintf("apps.json: %v", err)) // it is part of the program
	}
	own := map[string][]Row{"catalog": catalogue(), "users": accounts(), "watcher": promises()}
	for i, s := range list {
		list[i].Own = own[s.ID]
	}
	return list
}

// Board is the dashboard of a service. All services have the same, apart from rows about things that a service does
// not do.
func (s Service) Board() Board {
	app := fmt.Sprintf(`app=%q`, s.ID)
	process := app + `,kind="app"`
	// Probes and scrapes would hide what clients ask for.
	asked := app + `,route!~"/healthz|/readyz|/metrics|.+/stream"`
	b := Board{
		UID: "haberdash-app-" + s.ID, Title: "Service: " + s.ID,
		Description: "Requests, calls, events and the process of the app " + s.ID + ".",
		Rows: []Row{
			{"Now", []Panel{
				{Title: "Processes that answer", Description: "Part of the app's processes that answer Prometheus.", Unit: Ratio,
					Kind: Stat, Below: limit(1), Queries: one("avg(up{"+process+"})", "up")},
				{Title: "Ready", Description: "1 if every check of readiness of every process passes.", Unit: Count, Kind: Stat,
					Below: limit(1), Queries: one("min(ready{"+app+"})", "ready")},
				{Title: "Requests", Description: "Requests without probes and scrapes.", Unit: PerSecond, Kind: Stat,
					Queries: one(perSecond(requests+"{"+asked+"}", ""), "requests")},
				{Title: "Versions", Description: "Different versions that run at the same time.", Unit: Count, Kind: Stat,
					Above: limit(1), Queries: one("count(count by (version) (build_info{"+app+"}))", "versions")},
			}},
			{"Requests", []Panel{
				{Title: "Requests by route", Description: "Requests without probes and scrapes.", Unit: PerSecond, Kind: Stacked,
					Queries: one(perSecond(requests+"{"+asked+"}", "method, route"), "{{method}} {{route}}")},
				{Title: "Errors", Description: "Requests that are answered with 5xx.", Unit: Ratio,
					Queries: one(failing(requests, asked, serverErr, ""), "5xx")},
				{Title: "Time by route", Description: "95 of 100 requests are answered within this time.", Unit: Seconds,
					Queries: one(quantile(0.95, durations, "{"+asked+"}", "method, route"), "{{method}} {{route}}")},
			}},
			{"Calls of the sidecar", []Panel{
				{Title: "Calls", Description: "Calls of other apps and of components through the sidecar.", Unit: PerSecond,
					Kind:    Stacked,
					Queries: one(perSecond(calls+"_count{"+app+"}", "operation, target"), "{{operation}} {{target}}")},
				{Title: "Calls that fail", Description: "Calls that failed or got no answer in time.", Unit: Ratio,
					Queries: one(failing(calls+"_count", app, badCalls, "operation, target"), "{{operation}} {{target}}")},
				{Title: "Time of a call", Description: "95 of 100 calls take at most this time.", Unit: Seconds,
					Queries: one(quantile(0.95, calls, "{"+app+"}", "operation, target"), "{{operation}} {{target}}")},
			}},
		},
	}
	if s.Optional {
		hasRequests := func(r Row) bool { return r.Title == "Requests" }
		b.Rows = slices.DeleteFunc(b.Rows, hasRequests)
		b.Rows[0].Panels = slices.DeleteFunc(b.Rows[0].Panels, func(p Panel) bool { return p.Title == "Requests" })
	}
	b.Rows = append(b.Rows, s.Own...)
	if s.Logs {
		b.Rows = append(b.Rows, Row{"Log", []Panel{
			{Title: "Wait for a commit", Description: "From the arrival of a command in the queue to its answer.",
				Unit: Seconds, Queries: quantiles("log_commit_wait_seconds", "{"+app+"}")},
			{Title: "Events that wait for publication", Description: "Events that were not given to the broker.", Unit: Count,
				Queries: one("max by (log) (log_events_head{"+app+"}) - max by (log) (log_events_published{"+app+"})",
					"{{log}}")},
			{Title: "Commits since the checkpoint", Description: "Commits that a start would have to read.", Unit: Count,
				Queries: one("max by (log) (log_head{"+app+"}) - max by (log) (log_checkpoint{"+app+"})", "{{log}}")},
		}})
	}
	if s.Follows {
		b.Rows = append(b.Rows, Row{"Events", []Panel{
			{Title: "Time behind", Description: "Age of the oldest event that is not handled.", Unit: Seconds,
				Queries: one("max by (log) (consumer_lag_seconds{"+app+"})", "{{log}}")},
			{Title: "Events by type", Description: "Events that handlers were given.", Unit: PerSecond, Kind: Stacked,
				Queries: one(perSecond("event_handler_duration_seconds_count{"+app+"}", "type, outcome"), "{{type}} {{outcome}}")},
			{Title: "Dead letters", Description: "Events that wait until somebody replays or discards them.", Unit: Count,
				Queries: one("max by (log) (consumer_dead_letters{"+app+"})", "{{log}}")},
		}})
	}
	b.Rows = append(b.Rows, Row{"Process", []Panel{
		{Title: "Memory", Description: "Resident memory of app and sidecar.", Unit: Bytes,
			Queries: one("max by (instance, kind) (process_resident_memory_bytes{"+app+"})", "{{kind}} {{instance}}")},
		{Title: "Processor time", Description: "Processors that app and sidecar keep busy.", Unit: Ratio,
			Queries: one(perSecond("process_cpu_seconds_total{"+app+"}", "kind"), "{{kind}}")},
		{Title: "Goroutines", Description: "Goroutines: steady growth is a leak.", Unit: Count,
			Queries: one("max by (instance) (go_goroutines{"+process+"})", "{{instance}}")},
		{Title: "Spans", Description: "Recorded spans by outcome.", Unit: PerSecond,
			Queries: one(perSecond("telemetry_spans_total{"+app+"}", "outcome"), "{{outcome}}")},
	}})
	return b
}

// catalogue is what only the app catalog does.
func catalogue() []Row {
	return []Row{{"Catalogue", []Panel{
		{Title: "Time of a search", Description: "Searches for words.", Unit: Seconds,
			Queries: quantiles("search_duration_seconds", "")},
		{Title: "Products in the index", Description: "Products that a search can find.", Unit: Count,
			Queries: one("max by (instance) (search_index_documents)", "{{instance}}")},
		{Title: "Imported rows", Description: "Rows of catalogue files by outcome.", Unit: PerSecond, Kind: Stacked,
			Queries: one(perSecond("import_rows_total", "outcome"), "{{outcome}}")},
	}}}
}

// accounts is what only the app users does.
func accounts() []Row {
	return []Row{{"Accounts", []Panel{
		{Title: "Sign-ins", Description: "Attempts to sign in.", Unit: PerMinute, Kind: Stacked,
			Queries: one("60 * "+perSecond("sign_ins_total", "method, outcome"), "{{method}} {{outcome}}")},
		{Title: "Hashing of passwords", Description: "Passwords that are hashed, and requests that wait for that.",
			Unit:    Count,
			Queries: []Query{{"sum(hashes_in_progress)", "in progress"}, {"sum(hashes_waiting)", "waiting"}}},
	}}}
}

// promises is what only the watcher does: it checks the invariants of the shop.
func promises() []Row {
	return []Row{{"Promises", []Panel{
		{Title: "Violations", Description: "Promises that the shop breaks; docs/metrics.md tells what the numbers mean.",
			Unit: Count, Queries: one("max by (invariant) (haberdash_invariant_violations)", "{{invariant}}")},
		{Title: "Checks", Description: "Checks of each promise.", Unit: PerSecond,
			Queries: one(perSecond("haberdash_invariant_checks_total", "invariant"), "{{invariant}}")},
		{Title: "Orders in memory", Description: "Open orders with their details, and closed ones with a hundred bytes.",
			Unit: Count, Queries: one("max by (state) (watcher_orders)", "{{state}}")},
	}}}
}
