package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
)

// pollInterval is how often the state of the shop is read.
const pollInterval = 2 * time.Second

// targetGroup is an element of a file of Prometheus' file-based service discovery.
type targetGroup struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// Kinds of targets.
const (
	kindApp           = "app"
	kindSidecar       = "sidecar"
	kindControlPlane  = "daprcontrol"
	kindMachine       = "machine"
	kindStore         = "store"
	kindBroker        = "broker"
	kindObservability = "observability"
)

// targets lists the processes that have metrics. The port for operators is in the place of the public one.
func targets(processes []process.Process) []targetGroup {
	list := []targetGroup{}
	for _, p := range processes {
		var port int
		labels := map[string]string{"app": p.Name}
		switch p.Kind {
		case process.KindApp:
			labels["kind"], port = kindApp, p.Ports["operations"]
			if port == 0 {
				port = p.Ports["http"]
			}
		case process.KindSidecar:
			labels["app"] = strings.TrimSuffix(p.Name, "-daprd")
			labels["kind"], port = kindSidecar, p.Ports["metrics"]
		default:
			labels["kind"], port = kindControlPlane, p.Ports["metrics"]
		}
		if port > 0 {
			list = append(list, targetGroup{[]string{fmt.Sprintf("127.0.0.1:%d", port)}, labels})
		}
	}
	return list
}

func targetsDir(runDir string) string { return filepath.Join(Dir(runDir), "targets") }

// followShop keeps the files of targets and the exporters like the shop and these servers until ctx ends. Targets of a
// shop that has stopped stay, and Prometheus shows that they are down. The files come first, because the start of an
// exporter may take minutes.
func (s *Servers) followShop(ctx context.Context) {
	said := ""
	for {
		err := s.opts.writeShopTargets()
		if shown, unknown := s.opts.exporters(); unknown != nil {
			err = errors.Join(err, unknown)
		} else {
			err = errors.Join(err, s.opts.writeOwnTargets(shown), s.followExporters(ctx, shown))
		}
		if err != nil && err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			fmt.Fprintln(s.opts.Log, "targets:", said)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollInterval):
		}
	}
}

func (o Options) writeShopTargets() error {
	shop, err := rundir.ReadState(o.RunDir)
	if err != nil || len(shop.Processes) == 0 { // at the begin of a start there are none yet
		return err
	}
	return writeChanged(filepath.Join(targetsDir(o.RunDir), "shop.json"), targets(shop.Processes))
}

func (o Options) writeOwnTargets(shown []exporter) error {
	own, err := rundir.ReadState(Dir(o.RunDir))
	if err != nil {
		return err
	}
	return writeChanged(filepath.Join(targetsDir(o.RunDir), "observe.json"), ownTargets(own.Processes, shown))
}

// ownTargets are those of these servers that have metrics. An exporter of a server that the shop does not use any more
// is none.
func ownTargets(processes []process.Process, shown []exporter) []targetGroup {
	list := []targetGroup{}
	for _, p := range processes {
		port := p.Ports[portMetrics]
		if p.Name == prometheus || p.Name == alertmanager {
			port = p.Ports[portHTTP]
		}
		labels := map[string]string{"app": p.Name, "kind": kindObservability}
		switch p.Name {
		case nodeExporter:
			labels["kind"] = kindMachine
		case redisExporter, postgresExporter, kafkaExporter:
			i := slices.IndexFunc(shown, func(e exporter) bool { return e.name == p.Name })
			if i < 0 {
				continue
			}
			labels["app"], labels["kind"] = shown[i].server, shown[i].kind
		}
		if port > 0 {
			list = append(list, targetGroup{[]string{fmt.Sprintf("127.0.0.1:%d", port)}, labels})
		}
	}
	return list
}

// writeChanged replaces a file if it has other targets: Prometheus reads it after every write.
func writeChanged(path string, list []targetGroup) error {
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if before, err := os.ReadFile(path); err == nil && bytes.Equal(before, text) {
		return nil
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
