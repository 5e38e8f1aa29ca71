package rules

import (
	"fmt"
	"strings"

	"haberdash/deploy/observability/boards"
)

// apps are the alerts about the processes of apps, and about what they call.
func apps() Group {
	return Group{Name: "apps", Alerts: []Alert{
		{
			Name: "AppDown", Severity: Page, For: "1m",
			// On Kubernetes a pod that does not exist is no target, so its series is absent and not 0.
			Expr:    "sum by (app, kind) (up{kind=\"app\"}) == 0 or " + absent(),
			Summary: "No process of {{ $labels.app }} answers.",
			Fault:   ups("app", "orders", "0x20"), Healthy: ups("app", "", ""), At: "5m",
			Labels: Labels{"app": "orders", "kind": "app"},
		},
		{
			Name: "ProcessDown", Severity: Ticket, For: "5m",
			Expr:    "up == 0",
			Summary: "{{ $labels.instance }} ({{ $labels.kind }} of {{ $labels.app }}) does not answer Prometheus.",
			Fault:   ups("app", "orders", "0x20"), Healthy: ups("app", "", ""), At: "10m",
			Labels: Labels{"app": "orders", "kind": "app", "instance": "orders:1", "job": "haberdash"},
		},
		{
			Name: "AppNotReady", Severity: Page, For: "2m",
			Expr:    "min by (app, check) (ready) == 0",
			Summary: "{{ $labels.app }} is not ready: its check {{ $labels.check }} fails.",
			Fault:   []Series{{`ready{app="orders",instance="a",check="store"}`, "1 1 0x20"}},
			Healthy: []Series{{`ready{app="orders",instance="a",check="store"}`, "1 0 1x20"}}, At: "6m",
			Labels: Labels{"app": "orders", "check": "store"},
		},
		{
			Name: "AppRestarts", Severity: Ticket,
			Expr: "sum by (app, kind, instance) " +
				"(changes(process_start_time_seconds{kind=~\"app|sidecar\"}[15m])) > 2",
			Summary: "{{ $labels.instance }} ({{ $labels.kind }} of {{ $labels.app }}) starts again and again.",
			Fault:   []Series{{started, "1 1 60 60 120 120 180x10"}}, Healthy: []Series{{started, "1 1 60x20"}},
			At: "12m", Labels: Labels{"app": "orders", "kind": "app", "instance": "a"},
		},
		{
			// The limit of the container is a fifth above the runtime's (deploy/base/app.yaml).
			Name: "MemoryNearLimit", Severity: Ticket, For: "5m",
			Expr: "max by (app, kind, instance) (process_resident_memory_bytes{kind=~\"app|sidecar\"} / " +
				"go_gc_gomemlimit_bytes) > 1.05",
			Summary: "{{ $labels.instance }} ({{ $labels.kind }} of {{ $labels.app }}) has almost no memory left.",
			Fault:   memory("230e6x20"), Healthy: memory("90e6x20"), At: "10m",
			Labels: Labels{"app": "orders", "kind": "app", "instance": "a"},
		},
		{
			Name: "CallsFail", Severity: Page, For: "2m",
			Expr:    failing(`operation="invoke",`, "target", 0.05),
			Summary: "One of twenty calls of {{ $labels.target }} by other apps fails or gets no answer in time.",
			Fault:   called("invoke", "catalog", "failed", "0+10x20"), Healthy: called("invoke", "catalog", "failed", "0x20"),
			At: "8m", Labels: Labels{"target": "catalog"},
		},
		{
			Name: "StoreFails", Severity: Page, For: "2m",
			Expr:    failing(stateOperations+",", "target", 0.05),
			Summary: "One of twenty operations on the store {{ $labels.target }} fails or gets no answer in time.",
			Fault:   called("get", "state", "timeout", "0+10x20"), Healthy: called("get", "state", "conflict", "0+10x20"),
			At: "8m", Labels: Labels{"target": "state"},
		},
		{
			Name: "StoreSlow", Severity: Ticket, For: "3m",
			Expr: "histogram_quantile(0.95, sum by (target, le) (rate(sidecar_call_duration_seconds_bucket{" +
				stateOperations + "}[5m]))) > 0.25",
			Summary: "The store {{ $labels.target }} answers slowly, so everything that changes something is slow.",
			Fault:   stateTimes("0+1x20"), Healthy: stateTimes("0+100x20"), At: "10m", Labels: Labels{"target": "state"},
		},
		{
			Name: "SpansLost", Severity: Ticket, For: "10m",
			Expr:    `sum by (app) (increase(telemetry_spans_total{outcome="failed"}[10m])) > 0`,
			Summary: "{{ $labels.app }} cannot export its traces; the shop itself works.",
			Fault:   []Series{{`telemetry_spans_total{app="orders",instance="a",outcome="failed"}`, "0+5x30"}},
			Healthy: []Series{{`telemetry_spans_total{app="orders",instance="a",outcome="failed"}`, "7x30"}},
			At:      "20m", Labels: Labels{"app": "orders"},
		},
	}}
}

const (
	started         = `process_start_time_seconds{app="orders",kind="app",instance="a"}`
	stateOperations = `operation=~"get|get-many|set|create|delete|transaction"`
)

// failing is the part of calls that failed, if it is greater than a limit.
func failing(selector, by string, limit float64) string {
	return fmt.Sprintf(`sum by (%[1]s) (rate(sidecar_call_duration_seconds_count{%[2]soutcome=~"failed|timeout"}[5m])) / `+
		`sum by (%[1]s) (rate(sidecar_call_duration_seconds_count{%[3]s}[5m])) > %[4]g`,
		by, selector, strings.TrimSuffix(selector, ","), limit)
}

func absent() string {
	var list []string
	for _, s := range boards.Services() {
		if s.Optional {
			continue
		}
		list = append(list, fmt.Sprintf("absent(up{app=%q,kind=\"app\"})", s.ID))
	}
	return strings.Join(list, " or ")
}

// ups are the processes of all apps, one of which may have other values.
func ups(kind, down, values string) (list []Series) {
	for _, s := range boards.Services() {
		v := "1x20"
		if s.ID == down {
			v = values
		}
		list = append(list, Series{fmt.Sprintf(`up{app=%q,kind=%q,instance="%s:1",job="haberdash"}`, s.ID, kind, s.ID), v})
	}
	return list
}

func memory(resident string) []Series {
	return []Series{{`process_resident_memory_bytes{app="orders",kind="app",instance="a"}`, resident},
		{`go_gc_gomemlimit_bytes{app="orders",kind="app",instance="a"}`, "200e6x20"}}
}

// called are a hundred good calls a minute, and calls with another outcome.
func called(operation, target, outcome, values string) []Series {
	series := func(outcome string) string {
		return fmt.Sprintf(`sidecar_call_duration_seconds_count{app="orders",instance="a",operation=%q,target=%q,outcome=%q}`,
			operation, target, outcome)
	}
	return []Series{{series("ok"), "0+100x20"}, {series(outcome), values}}
}

// stateTimes are a hundred operations a minute, of which some take less than a quarter of a second.
func stateTimes(quick string) []Series {
	series := `sidecar_call_duration_seconds_bucket{app="orders",instance="a",operation="get",target="state",` +
		`outcome="ok",le=`
	return []Series{{series + `"0.1"}`, quick}, {series + `"0.25"}`, quick}, {series + `"1"}`, "0+100x20"},
		{series + `"+Inf"}`, "0+100x20"}}
}

// sidecars are the alerts about Dapr's processes.
func sidecars() Group {
	const (
		renewals = `dapr_runtime_mtls_workload_cert_rotated_fail_total{app="orders",instance="a",reason="sign"}`
		expiry   = `dapr_sentry_issuercert_expiry_timestamp{app="sentry",kind="daprcontrol",instance="a"}`
		day      = 24 * 3600
	)
	at := func(days int) []Series { return []Series{{expiry, fmt.Sprintf("%dx20", days*day)}} }
	return Group{Name: "sidecars", Alerts: []Alert{
		{
			Name: "SidecarDown", Severity: Page, For: "1m",
			Expr:    `sum by (app) (up{kind="sidecar"}) == 0`,
			Summary: "No sidecar of {{ $labels.app }} answers, so the app reaches neither the store nor other apps.",
			Fault:   ups("sidecar", "cart", "0x20"), Healthy: ups("sidecar", "", ""), At: "5m", Labels: Labels{"app": "cart"},
		},
		{
			Name: "ControlPlaneDown", Severity: Page, For: "2m",
			Expr:    `sum by (app) (up{kind="daprcontrol"}) == 0`,
			Summary: "Dapr's {{ $labels.app }} does not answer.",
			Fault:   []Series{{`up{app="scheduler",kind="daprcontrol",instance="a"}`, "1 0x20"}},
			Healthy: []Series{{`up{app="scheduler",kind="daprcontrol",instance="a"}`, "1 0 1x20"}}, At: "6m",
			Labels: Labels{"app": "scheduler"},
		},
		{
			// A sidecar's certificate is valid for a day, and the sidecar begins to renew it after twelve hours.
			Name: "SidecarCertificateNotRenewed", Severity: Page, For: "5m",
			Expr: "sum by (app) (increase(dapr_runtime_mtls_workload_cert_rotated_fail_total[15m])) > 0",
			Summary: "The sidecar of {{ $labels.app }} cannot renew its certificate; when it expires, no other sidecar " +
				"accepts its calls.",
			Fault: []Series{{renewals, "1+2x30"}}, Healthy: []Series{{renewals, "1x30"}}, At: "12m",
			Labels: Labels{"app": "orders"},
		},
		{
			Name: "IssuerCertificateExpires", Severity: Ticket, For: "5m",
			Expr:    "min by (app) (dapr_sentry_issuercert_expiry_timestamp) - time() < 30 * 86400",
			Summary: "The certificate with which Sentry signs expires within a month.",
			Fault:   at(20), Healthy: at(90), At: "10m", Labels: Labels{"app": "sentry"},
		},
	}}
}

// machines are the alerts about disks, by the node exporter.
func machines() Group {
	const disks = `fstype!~"tmpfs|ramfs|squashfs|overlay|iso9660|nsfs"`
	free := "node_filesystem_avail_bytes{" + disks + "} / node_filesystem_size_bytes{" + disks + "}"
	labels := Labels{"instance": "a", "mountpoint": "/data"}
	series := func(free string) []Series {
		return []Series{
			{`node_filesystem_size_bytes{instance="a",mountpoint="/data",fstype="ext4",device="sda1"}`, "1000x200"},
			{`node_filesystem_avail_bytes{instance="a",mountpoint="/data",fstype="ext4",device="sda1"}`, free}}
	}
	return Group{Name: "machines", Alerts: []Alert{
		{
			Name: "DiskNearlyFull", Severity: Page, For: "1m",
			Expr:    "min by (instance, mountpoint) (" + free + ") < 0.05",
			Summary: "{{ $labels.mountpoint }} of {{ $labels.instance }} is full up to 5 %; then nothing can be written.",
			Fault:   series("20x200"), Healthy: series("200x200"), At: "5m", Labels: labels,
		},
		{
			Name: "DiskFillsUp", Severity: Ticket, For: "30m",
			Expr: "min by (instance, mountpoint) (" + free + ") < 0.25 and min by (instance, mountpoint) " +
				"(predict_linear(node_filesystem_avail_bytes{" + disks + "}[3h], 24 * 3600)) < 0",
			Summary: "{{ $labels.mountpoint }} of {{ $labels.instance }} will be full within a day.",
			Fault:   series("240-0.5x200"), Healthy: series("200x200"), At: "2h", Labels: labels,
		},
	}}
}
