// Package infra starts real servers beside a shop: those that it can use instead of its embedded choices, which are
// Redis, PostgreSQL, MariaDB, Kafka, RabbitMQ, NATS and an SMTP server, or others that Options.Prepare prepares. `make
// infra`, `make observe` and the tests use it.
package infra

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"haberdash/dapr/launch/infra/server"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

const (
	startTimeout = time.Minute
	grace        = 20 * time.Second // a database first writes what it has in memory
)

// Options choose the servers and the directory of their data.
type Options struct {
	Root    string    // the checkout; default: toolchain.FindRoot
	Dir     string    // data, logs, settings and state; default <Root>/.run/infra
	Servers []string  // of server.Names; default: all
	Address string    // that the servers listen on; default 127.0.0.1. Clients in containers need another one
	LogDir  string    // of the servers; default Dir
	Log     io.Writer // progress, a line each; default: none

	// Prepare prepares other servers than those of server.Names: all of Servers. Default: server.Prepare.
	Prepare func(ctx context.Context, name string, s server.Settings) (server.Server, error)
	// StartTimeout is how long a server may take until it answers; default a minute.
	StartTimeout time.Duration

	passwords []string // variables in the settings
}

func (o Options) complete() (Options, error) {
	var err error
	if o.Root, o.Dir, err = toolchain.Directories(o.Root, o.Dir, filepath.Join(".run", "infra")); err != nil {
		return o, err
	}
	if o.Prepare == nil {
		o.Prepare = server.Prepare
		o.passwords = []string{"REDIS_PASSWORD", "POSTGRES_PASSWORD", "MYSQL_PASSWORD", "RABBITMQ_PASSWORD",
			"NATS_PASSWORD"}
		if len(o.Servers) == 0 {
			o.Servers = server.Names
		}
		for _, name := range o.Servers {
			if !slices.Contains(server.Names, name) {
				return o, fmt.Errorf("there is no server %q: the choices are %s", name, strings.Join(server.Names, ", "))
			}
		}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	o.LogDir, o.StartTimeout = cmp.Or(o.LogDir, o.Dir), cmp.Or(o.StartTimeout, startTimeout)
	o.Address = cmp.Or(o.Address, "127.0.0.1")
	return o, nil
}

// Check returns the error that Start would return for wrong options.
func (o Options) Check() error {
	_, err := o.complete()
	return err
}

// Servers are servers that die with this process. Their data and ports stay. A server is a process of the supervisor,
// under its name.
type Servers struct {
	*supervisor.Supervisor
	opts     Options
	settings server.Settings // chosen at the first start
	block    *ports.Block

	mu         sync.Mutex
	ready      map[string]chan struct{} // closed when the server of the name answers
	vars       map[string]string
	added      []string // servers that StartServer has started
	dependents []string // servers that use others of these
}

// Start starts the servers at the same time and waits until each answers. The first start chooses ports and passwords;
// later ones find them in the directory. It returns rundir.ErrRunning if another process runs servers on the directory.
// After any other error nothing is left running.
func Start(ctx context.Context, o Options) (*Servers, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	sup, err := supervisor.Open(o.Dir, o.Log)
	if err != nil {
		return nil, err
	}
	s := &Servers{Supervisor: sup, opts: o, vars: map[string]string{}, ready: map[string]chan struct{}{}}
	for _, name := range o.Servers {
		s.ready[name] = make(chan struct{})
	}
	if err := s.startAll(ctx); err != nil {
		s.Update(func(st *rundir.State) { st.Error = err.Error() })
		s.stop(rundir.Failed)
		return nil, err
	}
	return s, nil
}

func (s *Servers) startAll(ctx context.Context) error {
	if err := s.StartGuard(ctx, s.opts.Root); err != nil {
		return err
	}
	if err := s.readSettings(); err != nil {
		return err
	}
	s.Update(func(st *rundir.State) { st.PortBase = s.block.Base })
	if err := os.MkdirAll(s.opts.LogDir, 0o700); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(s.opts.Servers))
	for _, name := range s.opts.Servers {
		go func() {
			err := s.startOne(ctx, name)
			if err != nil {
				cancel() // the others need not continue
			}
			errs <- err
		}()
	}
	var err error
	for range s.opts.Servers {
		// The first error is the cause; those after it come from the cancellation.
		if e := <-errs; e != nil && err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	if err := secrets.WriteFile(VarsFile(s.opts.Dir), s.Vars()); err != nil {
		return err
	}
	s.Update(func(st *rundir.State) { st.Status = rundir.Ready })
	return nil
}

// startOne prepares the directory of a server, starts the server and waits until it answers.
func (s *Servers) startOne(ctx context.Context, name string) error {
	began := time.Now()
	prepared, err := s.opts.Prepare(ctx, name, s.settings)
	if err != nil {
		return err
	}
	s.mu.Lock()
	ready, before := s.ready[name], s.ready[prepared.After]
	s.mu.Unlock()
	if prepared.After != "" {
		select {
		case <-before:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, port := range prepared.Ports {
		if !ports.Free(port) {
			return fmt.Errorf("port %d (%s) is in use%s: "+
				"stop that process, or remove the line PORT_BASE from %s to get other ports",
				port, name, ports.Holder(port), s.settingsPath())
		}
	}
	s.mu.Lock()
	maps.Copy(s.vars, prepared.Vars)
	if prepared.After != "" {
		s.dependents = append(s.dependents, name)
	}
	s.mu.Unlock()
	if err := s.Supervisor.Start(s.spec(name, prepared)); err != nil {
		return err
	}
	if err := s.await(ctx, name); err != nil {
		return err
	}
	if prepared.Setup != nil {
		if err := prepared.Setup(ctx); err != nil {
			return err
		}
	}
	close(ready)
	fmt.Fprintf(s.opts.Log, "%s: ready after %s\n", name, time.Since(began).Round(10*time.Millisecond))
	return nil
}

// StartServer starts a server that is not in Options.Servers beside those that run, and waits until it answers.
func (s *Servers) StartServer(ctx context.Context, name string) error {
	s.mu.Lock()
	s.ready[name] = make(chan struct{})
	if !slices.Contains(s.added, name) {
		s.added = append(s.added, name)
	}
	s.mu.Unlock()
	return s.startOne(ctx, name)
}

func (s *Servers) await(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	return s.Await(ctx, nil, name)
}

// RestartServer starts a server after Terminate or Kill on the same port with the same data, and waits until it
// answers. It does nothing for a server that runs.
func (s *Servers) RestartServer(ctx context.Context, name string) error {
	if p, ok := s.Process(name); ok && p.Alive() {
		return nil
	}
	if err := s.Restart(name); err != nil {
		return err
	}
	return s.await(ctx, name)
}

// Vars returns the variables that the components in components/ read, for the servers that were started: REDIS_HOST
// (host:port), REDIS_PASSWORD, POSTGRES_CONNECTION (a URL), MYSQL_CONNECTION, KAFKA_BROKERS (host:port),
// RABBITMQ_CONNECTION and NATS_URL (URLs), SMTP_HOST, SMTP_PORT, SMTP_USER and SMTP_PASSWORD.
func (s *Servers) Vars() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.vars)
}

// Names lists the servers that were started; none for nil Servers.
func (s *Servers) Names() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.opts.Servers, s.added)
}

// Stop ends all servers and removes the file of variables. Data stays.
func (s *Servers) Stop() { s.stop(rundir.Stopped) }

func (s *Servers) stop(status string) {
	_ = os.Remove(VarsFile(s.opts.Dir))
	s.Update(func(st *rundir.State) { st.Status = rundir.Stopping })
	s.mu.Lock()
	dependents := slices.Clone(s.dependents)
	s.mu.Unlock()
	s.TerminateAll(0, dependents, s.Names())
	if err := s.Close(status); err != nil {
		fmt.Fprintln(s.opts.Log, err)
	}
	s.block.Release()
}

// MailDir is the directory in which the SMTP server writes each message as an .eml file.
func (s *Servers) MailDir() string { return server.MailDir(s.opts.Dir) }

// spec describes a server to the supervisor.
func (s *Servers) spec(name string, prepared server.Server) supervisor.Spec {
	return supervisor.Spec{
		Name: name, Kind: process.KindBacking, Ports: prepared.Ports, Healthy: prepared.Healthy,
		Command: process.Command{
			Args: prepared.Args, Env: process.Environment(prepared.Env), Dir: s.opts.Dir,
			Log: filepath.Join(s.opts.LogDir, name+".log"), Stop: prepared.Stop, Grace: grace,
		},
	}
}
