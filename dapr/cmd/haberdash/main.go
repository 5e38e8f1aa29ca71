// Command haberdash runs and administers a local shop. `make up` and the other targets call it: see `make help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"haberdash/dapr/cmd/haberdash/admin"
	"haberdash/dapr/cmd/haberdash/lifecycle"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
)

const usage = `usage: haberdash COMMAND

  up           start the shop in the background and wait until it is ready
  backing      start only placement, scheduler and broker, for dapr run -f by hand
  dev          start the shop if needed, then build and restart what changes, until interrupted
  restart APP… restart apps, or "all", and wait until they are ready; their sidecars go on running
  detach APP   stop an app but not its sidecar, and print the environment for a debugger
  down         stop it; data stays
  clean        stop it and remove its data
  status       what runs, where, and how much memory it takes
  logs [-f] [-level L] [-order ID] [-trace ID] [-json] [APP]
               print the logs; -f follows
  profile APP [SECONDS]
               write a CPU profile of an app of the running shop, and print how to look at it
  import FILE  send a catalogue file (.csv, .ndjson) to the running shop
  dead-letters [APP]
               list the events that apps could not handle
  replay APP ID
               make an app handle one of them, or all, again
  audit        compare documents with the logs that they come from
  erase ORDER YEAR
               erase the personal data of a guest's order or, without an order, the names on a year's invoices
  export [FILE]
               write the data of the running shop into a file; READ_ONLY=keep leaves the shop read-only
  import-data FILE
               start a shop with exported data on the store that STATE chooses, and compare it with the export
  read-only on|off
               make the running shop read-only, or end that
  fault [APP FLAG VARIANT MINUTES]
               list the faults that can be switched on, or switch one; needs FAULT_FLAGS=on
  infra        start real servers to try the shop on; SERVERS="redis postgres" for some
  infra-down   stop them; their data stays
  observe      start what shows the running shop: Prometheus, Jaeger, OpenSearch, dashboards; TRACES=off restarts no app
  observe-down stop it; its data stays
  tools        build Dapr's programs and the broker into the cache
`

type command func(context.Context, config.Options, []string) error

var commands = map[string]command{
	"up": lifecycle.Up, "backing": lifecycle.Backing, "supervise": lifecycle.Supervise,
	"dev": lifecycle.Dev, "restart": lifecycle.Restart, "detach": lifecycle.Detach,
	"down": lifecycle.Down, "clean": lifecycle.Clean, "tools": lifecycle.Tools,
	"status": lifecycle.Status, "logs": lifecycle.Logs, "profile": lifecycle.Profile,
	"infra": lifecycle.Infra, "infra-supervise": lifecycle.SuperviseInfra, "infra-down": lifecycle.InfraDown,
	"observe": lifecycle.Observe, "observe-supervise": lifecycle.SuperviseObserve, "observe-down": lifecycle.ObserveDown,

	"import": admin.ImportCatalogue, "dead-letters": admin.DeadLetters, "replay": admin.Replay,
	"audit": admin.Audit, "erase": admin.Erase,
	"export": admin.Export, "import-data": admin.ImportData, "read-only": admin.ReadOnly,
	"fault": admin.Fault,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, lifecycle.ErrReported) {
			fmt.Fprintln(os.Stderr, "haberdash:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" {
		fmt.Print(usage)
		return nil
	}
	if args[0] == "guard" && len(args) == 2 { // internal: see process.StartGuard
		process.RunGuard(os.Stdin, args[1])
		return nil
	}
	do := commands[args[0]]
	if do == nil {
		fmt.Print(usage)
		return lifecycle.ErrReported
	}
	o, err := config.FromEnv()
	if err != nil {
		return err
	}
	o.Log = os.Stdout
	return do(ctx, o, args[1:])
}
