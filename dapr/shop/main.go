// Command shop runs a local shop; `make up` and its siblings call it. See `make help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"haberdash/dapr/launch"
)

const usage = `usage: shop COMMAND

  up           start the shop in the background and wait until it is ready
  backing      start only placement, scheduler and broker, for dapr run -f by hand
  down         stop it; data stays
  clean        stop it and remove its data
  status       what runs, where, and how much memory it takes
  logs [APP]   print the logs; -f follows
  import FILE  send a catalogue file (.csv, .ndjson) to the running shop
  dead-letters [APP]
               list the events that apps could not handle
  replay APP ID
               have an app handle one of them once more, or all
  audit        compare documents with the logs that they come from
  erase ORDER YEAR
               erase who placed a guest's order, or, without one, the names on a year's invoices
  export [FILE]
               write the running shop's data into a file; READ_ONLY=keep leaves it read-only
  import-data FILE
               start a shop with an export's data on the store that STATE chooses, and compare
  read-only on|off
               let the running shop be looked at only, or end that
  infra        start real servers to try the shop on; SERVERS="redis postgres" for some
  infra-down   stop them; their data stays
  tools        build Dapr's programs and the broker into the cache
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, errQuiet) {
			fmt.Fprintln(os.Stderr, "shop:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"help"}
	}
	if args[0] == "guard" && len(args) == 2 { // internal
		launch.RunGuard(os.Stdin, args[1])
		return nil
	}
	commands := map[string]func(context.Context, launch.Options, []string) error{
		"up": up, "backing": backing, "supervise": supervise,
		"down": down, "clean": clean, "status": status, "logs": logs, "import": importFile,
		"dead-letters": deadLetters, "replay": replay, "audit": audit, "erase": erase, "tools": tools,
		"export": exportShop, "import-data": importShop, "read-only": readOnly,
		"infra": infra, "infra-supervise": superviseInfra, "infra-down": infraDown,
	}
	do := commands[args[0]]
	if do == nil {
		fmt.Print(usage)
		return map[bool]error{true: nil, false: errQuiet}[args[0] == "help"]
	}
	o, err := launch.OptionsFromEnv()
	if err != nil {
		return err
	}
	o.Log = os.Stdout
	return do(ctx, o, args[1:])
}
