package launch

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"haberdash/internal/contract"
)

// A service is something that must answer before the next thing can start.
type service struct {
	name    string
	args    []string
	ports   map[string]int
	healthy func(context.Context) bool
	stop    syscall.Signal // as in command
}

func (s *Shop) backing() []service {
	base, dir := s.opts.PortBase, s.opts.RunDir
	list := []service{
		placementService(s.tools.Placement, base, s.opts.trust()),
		schedulerService(s.tools.Scheduler, base, filepath.Join(dir, "scheduler"), s.opts.trust()),
	}
	if s.opts.PubSub == "embedded" {
		list = append(list, brokerService(s.tools.Broker, base+portBroker, filepath.Join(dir, "broker")))
	}
	return list
}

func placementService(bin string, base int, t *trust) service {
	at := func(flag string, offset int) string { return fmt.Sprintf("--%s=%d", flag, base+offset) }
	return service{
		name: "placement",
		args: append([]string{
			bin, "--listen-address=127.0.0.1", at("port", portPlacement),
			"--healthz-listen-address=127.0.0.1", at("healthz-port", portPlacementHealth),
			"--metrics-listen-address=127.0.0.1", at("metrics-port", portPlacementMetrics),
			"--id=placement", fmt.Sprintf("--initial-cluster=placement=127.0.0.1:%d", base+portPlacementRaft),
			"--log-level=warn",
		}, t.args()...),
		ports:   map[string]int{"grpc": base + portPlacement},
		healthy: answers(base+portPlacementHealth, "/healthz"),
	}
}

// schedulerID is the one name that sentry certifies for the first scheduler.
const schedulerID = "dapr-scheduler-server-0"

func schedulerService(bin string, base int, data string, t *trust) service {
	peers := "http"
	if t != nil {
		peers = "https"
	}
	at := func(flag string, offset int) string { return fmt.Sprintf("--%s=%d", flag, base+offset) }
	return service{
		name: "scheduler",
		args: append([]string{
			bin, "--listen-address=127.0.0.1", at("port", portScheduler),
			"--healthz-listen-address=127.0.0.1", at("healthz-port", portSchedulerHealth),
			"--metrics-listen-address=127.0.0.1", at("metrics-port", portSchedulerMetrics),
			"--id=" + schedulerID, fmt.Sprintf("--etcd-initial-cluster=%s=%s://127.0.0.1:%d", schedulerID, peers, base+portEtcdPeer),
			"--etcd-client-listen-address=127.0.0.1", at("etcd-client-port", portEtcdClient),
			// What daprd is told to connect to; its own guess is the machine's network address.
			fmt.Sprintf("--override-broadcast-host-port=127.0.0.1:%d", base+portScheduler),
			"--etcd-data-dir=" + data,
			"--identity-directory-write=" + filepath.Join(data, "identity"),
			// One member needs no time to see whether others stand for election.
			"--etcd-initial-election-tick-advance=true",
			"--workers=64", // of 2,048 by default: a laptop's timers are few, and each worker costs memory
			"--log-level=warn",
		}, t.args()...),
		ports:   map[string]int{"grpc": base + portScheduler},
		healthy: answers(base+portSchedulerHealth, "/healthz"),
	}
}

func brokerService(bin string, port int, data string) service {
	return service{
		name: "broker",
		args: []string{
			bin, fmt.Sprintf("-port=%d", port), "-data=" + data, "-topics=" + strings.Join(contract.Topics(), ","),
		},
		ports: map[string]int{"kafka": port},
		healthy: func(ctx context.Context) bool {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				c.Close()
			}
			return err == nil
		},
	}
}

func (s *Shop) startBacking(ctx context.Context) error {
	if s.opts.Secure { // the others ask for their certificates before anything else
		if err := s.startSentry(ctx); err != nil {
			return err
		}
	}
	list := s.backing()
	for _, b := range list {
		if err := s.launchBacking(b); err != nil {
			return err
		}
	}
	checks := map[string]func(context.Context) bool{}
	for _, b := range list {
		// A single-member etcd still takes two seconds to elect itself. Sidecars can start meanwhile: they
		// are not ready before they have found it.
		if b.name != "scheduler" || s.opts.BackingOnly {
			checks[b.name] = b.healthy
		}
	}
	return s.await(ctx, checks)
}

func (s *Shop) launchBacking(b service) error {
	return s.launch(Process{Name: b.name, Kind: "backing", Ports: b.ports}, command{
		args: b.args, env: s.env, dir: s.opts.RunDir, log: filepath.Join(s.opts.RunDir, "logs", b.name+".log"),
	})
}

// await asks each until all have answered, and gives up at the first death or at the context's end.
func (s *Shop) await(ctx context.Context, checks map[string]func(context.Context) bool) error {
	type answer struct {
		name string
		ok   bool
	}
	pending := maps.Clone(checks)
	for {
		got := make(chan answer, len(pending))
		for name, check := range pending {
			go func() {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
				defer cancel()
				got <- answer{name, check(ctx)}
			}()
		}
		for range len(pending) {
			if a := <-got; a.ok {
				delete(pending, a.name)
			}
		}
		if len(pending) == 0 {
			return nil
		}
		names := sortedKeys(pending)
		s.phase("waiting for " + strings.Join(names, ", "))
		select {
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return s.notReady(names, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func answers(port int, path string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
		if err != nil {
			return false
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode/100 == 2
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
