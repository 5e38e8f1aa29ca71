// Package controlplane describes the programs that sidecars need, for a supervisor to start: Dapr's placement service,
// scheduler and certificate authority (sentry), and the embedded broker.
package controlplane

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/supervisor"
)

// grace is how long each program may take to stop.
const grace = 5 * time.Second

// SchedulerID is the id of the scheduler: the one name that sentry issues a certificate for to a first scheduler.
const SchedulerID = "dapr-scheduler-server-0"

// Placement describes the placement service in the block of ports from base on. Without trust it speaks plain gRPC.
func Placement(bin string, base int, trust *Trust) supervisor.Spec {
	return spec("placement", map[string]int{"grpc": base + ports.Placement, "metrics": base + ports.PlacementMetrics},
		supervisor.HTTPCheck(base+ports.PlacementHealth, "/healthz"),
		append([]string{
			bin, "--listen-address=127.0.0.1", flag("port", base+ports.Placement),
			"--healthz-listen-address=127.0.0.1", flag("healthz-port", base+ports.PlacementHealth),
			"--metrics-listen-address=127.0.0.1", flag("metrics-port", base+ports.PlacementMetrics),
			"--id=placement", fmt.Sprintf("--initial-cluster=placement=127.0.0.1:%d", base+ports.PlacementRaft),
			"--log-level=warn",
		}, trust.flags()...)...)
}

// Scheduler describes the scheduler in the block of ports from base on, with its data in the directory data. Without
// trust it speaks plain gRPC.
func Scheduler(bin string, base int, data string, trust *Trust) supervisor.Spec {
	scheme := "http"
	if trust != nil {
		scheme = "https"
	}
	return spec("scheduler", map[string]int{"grpc": base + ports.Scheduler, "metrics": base + ports.SchedulerMetrics},
		supervisor.HTTPCheck(base+ports.SchedulerHealth, "/healthz"),
		append([]string{
			bin, "--listen-address=127.0.0.1", flag("port", base+ports.Scheduler),
			"--healthz-listen-address=127.0.0.1", flag("healthz-port", base+ports.SchedulerHealth),
			"--metrics-listen-address=127.0.0.1", flag("metrics-port", base+ports.SchedulerMetrics),
			"--id=" + SchedulerID,
			fmt.Sprintf("--etcd-initial-cluster=%s=%s://127.0.0.1:%d", SchedulerID, scheme, base+ports.EtcdPeer),
			"--etcd-client-listen-address=127.0.0.1", flag("etcd-client-port", base+ports.EtcdClient),
			// The address that sidecars connect to; the default is the network address of the machine.
			fmt.Sprintf("--override-broadcast-host-port=127.0.0.1:%d", base+ports.Scheduler),
			"--etcd-data-dir=" + data,
			"--identity-directory-write=" + filepath.Join(data, "identity"),
			// A single member need not wait for other candidates.
			"--etcd-initial-election-tick-advance=true",
			"--workers=64", // default 2,048: a laptop has few timers, and each worker takes memory
			"--log-level=warn",
		}, trust.flags()...)...)
}

// Broker describes the embedded broker with topics on a port, with its data in the directory data.
func Broker(bin string, port int, data string, topics []string) supervisor.Spec {
	return spec("broker", map[string]int{"kafka": port}, supervisor.TCPCheck(fmt.Sprintf("127.0.0.1:%d", port)),
		bin, fmt.Sprintf("-port=%d", port), "-data="+data, "-topics="+strings.Join(topics, ","))
}

// Sentry describes the certificate authority in the block of ports from base on. Its key and certificates are in the
// directory issuer; config is a Dapr configuration, which sentry demands, and which may say how long certificates are
// valid.
func Sentry(bin string, base int, issuer, config string) supervisor.Spec {
	return spec("sentry", map[string]int{"grpc": base + ports.Sentry, "metrics": base + ports.SentryMetrics},
		supervisor.HTTPCheck(base+ports.SentryHealth, "/healthz"),
		bin, "--listen-address=127.0.0.1", flag("port", base+ports.Sentry),
		flag("healthz-port", base+ports.SentryHealth), // on all addresses: sentry 1.18.1 ignores the flag for it
		"--metrics-listen-address=127.0.0.1", flag("metrics-port", base+ports.SentryMetrics),
		"--issuer-credentials="+issuer,
		"--config="+config,
		"--log-level=warn")
}

// Trust tells where certificates come from. A nil *Trust stands for no mutual TLS.
type Trust struct {
	Sentry  string // host:port
	Anchors string // file with the certificates of the authority
}

// Variables that dapr/local/daprd reads.
const (
	SentryVariable  = "SENTRY_ADDRESS"
	AnchorsVariable = "TRUST_ANCHORS_FILE"
)

// flags make a program of the control plane accept mutual TLS only.
func (t *Trust) flags() []string {
	if t == nil {
		return nil
	}
	return []string{"--tls-enabled", "--sentry-address=" + t.Sentry, "--trust-anchors-file=" + t.Anchors}
}

// Vars returns the variables that make a sidecar use mutual TLS; none for nil.
func (t *Trust) Vars() map[string]string {
	if t == nil {
		return nil
	}
	return map[string]string{SentryVariable: t.Sentry, AnchorsVariable: t.Anchors}
}

func flag(name string, port int) string { return fmt.Sprintf("--%s=%d", name, port) }

func spec(name string, ports map[string]int, healthy supervisor.Check, args ...string) supervisor.Spec {
	return supervisor.Spec{
		Name: name, Kind: process.KindBacking, Ports: ports, Healthy: healthy,
		Command: process.Command{Args: args, Grace: grace},
	}
}
