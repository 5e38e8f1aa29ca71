package launch

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// InfraServers are the real servers that a shop can use instead of the embedded choices.
var InfraServers = []string{"redis", "postgres", "kafka", "smtp"}

// infraGrace is how long a server may take to end by itself: a database first writes what it holds.
const infraGrace = 20 * time.Second

// InfraOptions say which servers to start and where their data is.
type InfraOptions struct {
	Root    string    // the checkout; default: FindRoot
	Dir     string    // data, logs, settings and state; default <Root>/.run/infra
	Servers []string  // of InfraServers; default: all
	Address string    // where they listen; default 127.0.0.1. Another is for clients in containers
	Log     io.Writer // progress, a line each; default: none
}

func (o InfraOptions) complete() (InfraOptions, error) {
	var err error
	if o.Root, o.Dir, err = places(o.Root, o.Dir, ".run", "infra"); err != nil {
		return o, err
	}
	if len(o.Servers) == 0 {
		o.Servers = InfraServers
	}
	for _, name := range o.Servers {
		if !slices.Contains(InfraServers, name) {
			return o, fmt.Errorf("there is no server %q: the choices are %s", name, strings.Join(InfraServers, ", "))
		}
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	o.Address = cmp.Or(o.Address, "127.0.0.1")
	return o, nil
}

// at is a server's address on one of the block's ports.
func (i *Infra) at(offset int) string {
	return net.JoinHostPort(i.opts.Address, strconv.Itoa(i.block.base+offset))
}

// Check fails where StartInfra would not know what to start.
func (o InfraOptions) Check() error {
	_, err := o.complete()
	return err
}

// Infra is a set of servers that die with this process. Their data and ports stay.
type Infra struct {
	opts     InfraOptions
	settings map[string]string // ports and passwords, as they are remembered
	guard    *guard
	lock     *flock.Flock
	block    *portBlock
	failed   chan error // the first death that nobody asked for

	mu      sync.Mutex
	state   State
	servers map[string]*infraServer
}

type infraServer struct {
	*single
	vars map[string]string
	want bool // it is to run
}

// Ports of the servers in their block.
const (
	portRedis = iota
	portPostgres
	portKafka
	portKafkaController
	portSMTP
)

// StartInfra starts the servers at the same time and waits until each answers. The first start chooses
// ports and passwords; later ones find them in the directory. It returns ErrRunning where a process has
// servers running on that directory; any other error says what failed, and nothing is left running.
func StartInfra(ctx context.Context, o InfraOptions) (*Infra, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := makeDir(o.Dir); err != nil {
		return nil, err
	}
	i := &Infra{opts: o, servers: map[string]*infraServer{}, failed: make(chan error, 1)}
	i.lock = flock.New(lockPath(o.Dir))
	if ok, err := i.lock.TryLock(); err != nil {
		return nil, fmt.Errorf("lock %s: %w", o.Dir, err)
	} else if !ok {
		return nil, ErrRunning
	}
	if err := i.start(ctx); err != nil {
		i.update(func(st *State) { st.Error = err.Error() })
		i.shutDown(Failed)
		return nil, err
	}
	return i, nil
}

func (i *Infra) start(ctx context.Context) error {
	if left := killLeftovers(i.opts.Dir); len(left) > 0 {
		return fmt.Errorf("servers of an earlier run cannot be stopped: %v", left)
	}
	created, _ := identify(os.Getpid())
	i.update(func(st *State) {
		*st = State{
			Status: Starting, StartedAt: time.Now().UTC(),
			Supervisor: Process{Name: "supervisor", PID: os.Getpid(), Created: created},
		}
	})
	var err error
	if i.guard, err = startGuard(ctx, i.opts.Root, i.opts.Log); err != nil {
		return err
	}
	if err := i.readSettings(); err != nil {
		return err
	}
	i.update(func(st *State) {
		st.RunID = i.guard.mark + "-infra-" + newID() // nobody else's of this process
		st.PortBase = i.block.base
	})

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(i.opts.Servers))
	for _, name := range i.opts.Servers {
		go func() {
			err := i.first(ctx, name)
			if err != nil {
				cancel() // the others need not go on
			}
			errs <- err
		}()
	}
	for range i.opts.Servers {
		// The first error is the reason, those after it are of the cancelling.
		if e := <-errs; e != nil && err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	if err := writeVars(InfraVarsFile(i.opts.Dir), i.Vars()); err != nil {
		return err
	}
	i.update(func(st *State) { st.Status = Ready })
	return nil
}

// InfraVarsFile is where the addresses and passwords of running servers are, in a form that a shell can read.
func InfraVarsFile(dir string) string { return filepath.Join(dir, "vars.env") }

// readSettings finds the ports and passwords of the first start, or makes them.
func (i *Infra) readSettings() error {
	path := filepath.Join(i.opts.Dir, "settings.env")
	vars, err := readVars(path)
	if err != nil {
		return err
	}
	if had := vars["PORT_BASE"]; had != "" {
		base, err := strconv.Atoi(had)
		if err != nil {
			return fmt.Errorf("%s: PORT_BASE: %w", path, err)
		}
		if i.block, err = takeBlockAgain(base); err != nil {
			return fmt.Errorf("%w: remove the line PORT_BASE from %s to have others", err, path)
		}
	} else {
		if i.block, err = takeBlock(); err != nil {
			return err
		}
		vars["PORT_BASE"] = strconv.Itoa(i.block.base)
	}
	for _, name := range []string{"REDIS_PASSWORD", "POSTGRES_PASSWORD"} {
		if vars[name] == "" {
			vars[name] = newID()
		}
	}
	i.settings = vars
	return writeVars(path, vars)
}

// first prepares a server's directory and starts it.
func (i *Infra) first(ctx context.Context, name string) error {
	began := time.Now()
	prepare := map[string]func(context.Context) (service, map[string]string, error){
		"redis": i.redis, "postgres": i.postgres, "kafka": i.kafka, "smtp": i.smtp,
	}[name]
	svc, vars, err := prepare(ctx)
	if err != nil {
		return err
	}
	for _, port := range svc.ports {
		if !free(port) {
			return fmt.Errorf("port %d (%s) is in use%s: stop it, or remove the line PORT_BASE from %s to have other ports",
				port, name, holder(port), filepath.Join(i.opts.Dir, "settings.env"))
		}
	}
	s := &infraServer{single: &single{root: i.opts.Root, runDir: i.opts.Dir, guard: i.guard}, vars: vars}
	if err := s.start(ctx, svc, map[string]string{markVariable: i.state.RunID}); err != nil {
		return err
	}
	fmt.Fprintf(i.opts.Log, "%s: ready after %s\n", name, time.Since(began).Round(10*time.Millisecond))
	i.add(name, s)
	return nil
}

// add notes a server that runs, and has its death told.
func (i *Infra) add(name string, s *infraServer) {
	i.update(func(*State) {
		s.want = true
		i.servers[name] = s
	})
	go func() {
		<-s.run.done
		i.update(func(st *State) {
			if !s.want || i.servers[name] != s {
				return
			}
			err := fmt.Errorf("%s has stopped; its last log lines:%s", name, Quote(s.run.Log, 12))
			st.Status, st.Error = Broken, err.Error()
			select {
			case i.failed <- err:
			default:
			}
		})
	}()
}

// update changes the state and writes it down.
func (i *Infra) update(change func(*State)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(&i.state)
	i.state.Processes = i.state.Processes[:0]
	for _, name := range sortedKeys(i.servers) {
		i.state.Processes = append(i.state.Processes, i.servers[name].run.Process)
	}
	if err := i.state.write(i.opts.Dir); err != nil {
		fmt.Fprintln(i.opts.Log, "state:", err)
	}
}

// Vars are the variables that the components in components/ read, for the servers that were started:
// REDIS_HOST (host:port), REDIS_PASSWORD, POSTGRES_CONNECTION (a URL), KAFKA_BROKERS (host:port), SMTP_HOST,
// SMTP_PORT, SMTP_USER and SMTP_PASSWORD.
func (i *Infra) Vars() map[string]string {
	i.mu.Lock()
	defer i.mu.Unlock()
	vars := map[string]string{}
	for _, s := range i.servers {
		maps.Copy(vars, s.vars)
	}
	return vars
}

// Names are the servers there are; none of a nil Infra.
func (i *Infra) Names() []string {
	if i == nil {
		return nil
	}
	return slices.Clone(i.opts.Servers)
}

// State returns a copy of the current state.
func (i *Infra) State() State {
	i.mu.Lock()
	defer i.mu.Unlock()
	st := i.state
	st.Processes = slices.Clone(i.state.Processes)
	return st
}

// Failed tells the first death of a server that nobody asked for.
func (i *Infra) Failed() <-chan error { return i.failed }

// PID is the process id of a server, 0 where it was not started.
func (i *Infra) PID(name string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if s := i.servers[name]; s != nil {
		return s.PID()
	}
	return 0
}

// Stop ends all servers gently. Data stays; the file of variables goes, as nobody answers there any more.
func (i *Infra) Stop() { i.shutDown(Stopped) }

func (i *Infra) shutDown(final string) {
	_ = os.Remove(InfraVarsFile(i.opts.Dir))
	var list []*running
	i.update(func(st *State) {
		if final == Stopped {
			st.Status = Stopping
		}
		for _, s := range i.servers {
			s.want = false
			list = append(list, s.run)
		}
	})
	for _, name := range i.Names() {
		_ = i.ResumeServer(name) // what is paused does not hear that it is to end
	}
	stopAll(list, infraGrace)
	killAll(nil, i.state.RunID, 5*time.Second)
	i.update(func(st *State) { st.Status = final })
	i.block.release()
	_ = i.lock.Unlock()
}
