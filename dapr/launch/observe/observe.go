// Package observe starts what shows a running shop, without Docker: Prometheus and Alertmanager for its numbers, those
// of the machine and those of its store and broker, Jaeger for its traces, OpenSearch with rsyslog for its logs, and a
// page with dashboards. `make observe` uses it.
//
// The shop knows of it by the one file that TracingVars reads. Everything else is read from outside: the state of the
// shop tells where its metrics and logs are.
package observe

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"haberdash/dapr/launch/infra"
	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/toolchain"
)

// Names of the servers.
const (
	prometheus   = "prometheus"
	alertmanager = "alertmanager"
	nodeExporter = "node-exporter"
	jaeger       = "jaeger"
	openSearch   = "opensearch"
	shipper      = "rsyslog"
	board        = "board"
)

// startTimeout is how long each server may take until it answers: OpenSearch needs half a minute on a busy machine.
const startTimeout = 3 * time.Minute

// Options say which shop is shown, and where the data of the servers is.
type Options struct {
	Root    string            // the checkout
	RunDir  string            // of the shop
	Tracing map[string]string // OpenTelemetry's variables for the apps; nil: the shop exports no traces
	Rules   string            // the directory of Prometheus' rules; default: that of the checkout
	Servers []string          // the names of those to start; default: all
	Log     io.Writer         // progress, a line each
}

// Dir is the directory of the servers that show the shop of a run directory.
func Dir(runDir string) string { return filepath.Join(runDir, "observe") }

func (o Options) names() []string {
	if len(o.Servers) > 0 {
		return o.Servers
	}
	names := []string{alertmanager, nodeExporter, prometheus, jaeger, openSearch, shipper}
	if hasBoard(o.Root) {
		names = append(names, board)
	}
	return names
}

// servers are the options of the servers, with the exporters of names beside those that every shop gets.
func (o Options) servers(exporters ...string) infra.Options {
	dir := Dir(o.RunDir)
	return infra.Options{
		Root: o.Root, Dir: dir, LogDir: filepath.Join(dir, "logs"), Log: o.Log,
		Servers: slices.Concat(o.names(), exporters), StartTimeout: startTimeout,
		Prepare: func(ctx context.Context, name string, s server.Settings) (server.Server, error) {
			return o.prepare(ctx, name, s)
		},
	}
}

// Build checks that the programs of the system are there, and builds and downloads the others.
func Build(ctx context.Context, o Options) error {
	for _, p := range systemPrograms {
		if _, err := p.path(); err != nil {
			return err
		}
	}
	shown, err := o.exporters()
	if err != nil {
		return err
	}
	for _, e := range shown {
		if _, err := o.exporterProgram(ctx, e.name, o.Log); err != nil {
			return err
		}
	}
	if _, err := toolchain.EnsureOpenSearch(ctx, o.Root, o.Log); err != nil {
		return err
	}
	if hasBoard(o.Root) {
		if _, err := toolchain.BuildBoard(ctx, o.Root, o.Log); err != nil {
			return err
		}
	}
	_, err = toolchain.EnsureJaeger(ctx, o.Root, o.Log)
	return err
}

// Servers are the running servers. They die with this process; their data stays.
type Servers struct {
	*infra.Servers
	opts   Options
	looks  map[string]exporter // at which server each exporter looks, by its name
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start starts the servers and waits until each answers. From then on Prometheus' targets and the exporters follow the
// shop, whether it runs or not. It returns rundir.ErrRunning if another process runs them for the same shop. After any
// other error nothing is left running.
func Start(ctx context.Context, o Options) (*Servers, error) {
	shown, err := o.exporters()
	if err != nil {
		return nil, err
	}
	looks := map[string]exporter{}
	for _, e := range shown {
		looks[e.name] = e
	}
	started, err := infra.Start(ctx, o.servers(slices.Sorted(maps.Keys(looks))...))
	if err != nil {
		return nil, err
	}
	s := &Servers{Servers: started, opts: o, looks: looks}
	background, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wg.Go(func() { s.followShop(background) })
	return s, nil
}

// Stop ends the servers. Their data stays.
func (s *Servers) Stop() {
	if s.cancel != nil {
		s.cancel()
		s.wg.Wait()
	}
	_ = os.Remove(tracingFile(s.opts.RunDir))
	s.Servers.Stop()
}

// Down stops the servers that show a shop, and what a killed launcher left behind; data stays. It reports whether there
// was anything to stop.
func Down(ctx context.Context, o Options) (bool, error) {
	was, err := infra.Down(ctx, o.servers())
	if err != nil {
		return was, err
	}
	return was, os.RemoveAll(tracingFile(o.RunDir))
}

// Clean stops the servers that show a shop, and removes their data.
func Clean(ctx context.Context, o Options) error { return infra.Clean(ctx, o.servers()) }

// Address is what a server offers to people.
type Address struct{ Name, URL, For string }

// Addresses lists the addresses of running servers, the most useful first.
func Addresses(st rundir.State) (list []Address) {
	for _, a := range []struct{ server, port, name, path, what string }{
		{board, portHTTP, "dashboards", "", "the shop, live"},
		{prometheus, portHTTP, "Prometheus", "", "its numbers: queries, targets, rules"},
		{alertmanager, portHTTP, "Alertmanager", "", "alerts that fire, and silences"},
		{jaeger, portHTTP, "Jaeger", "/api/traces/ID", "a trace, by the id in the traceparent of an answer"},
		{openSearch, portHTTP, "OpenSearch", "/_search?q=trace.id:ID&sort=@timestamp", "log lines of a trace"},
		{jaeger, portOTLP, "collector", "", "where spans go (OTLP over HTTP)"},
	} {
		for _, p := range st.Processes {
			if port := p.Ports[a.port]; p.Name == a.server && port > 0 {
				list = append(list, Address{a.name, fmt.Sprintf("http://127.0.0.1:%d%s", port, a.path), a.what})
			}
		}
	}
	return list
}
