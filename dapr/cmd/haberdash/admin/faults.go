package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"haberdash/dapr/launch/config"
	"haberdash/internal/roster"
)

// flags are the fault flags of an app, by name.
type flags struct {
	Flags map[string]struct {
		Variants       map[string]int64
		DefaultVariant string
		Metadata       struct {
			Description string
			Until       time.Time
		}
	}
}

// Fault switches a fault of a running shop on or off. args are the app, the flag, the variant and for how many minutes.
// Without a flag it lists the flags: those of the app, or of all.
func Fault(ctx context.Context, o config.Options, args []string) error {
	args = append(args, "", "", "", "")
	app, flag, variant, minutes := args[0], args[1], args[2], args[3]
	if flag != "" && (app == "" || variant == "") {
		return errors.New("name the app, the flag and the variant, see make fault: " +
			"make fault APP=orders FLAG=slow-payment VARIANT=slow")
	}
	c, err := newClient(ctx, o)
	if err != nil {
		return err
	}
	apps := roster.WithFaults()
	if app != "" {
		apps = []string{app}
	}
	if flag != "" {
		if apps, err = []string{app}, c.switchFault(ctx, app, flag, variant, minutes); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprintln(t, "APP\tFLAG\tNOW\tUNTIL\tVARIANTS\tEFFECT")
	for _, app := range apps {
		var list flags
		if err := c.do(ctx, http.MethodGet, faultsPath(app), &list); err != nil {
			return fmt.Errorf("fault flags of %s: %w", app, err)
		}
		for _, name := range slices.Sorted(maps.Keys(list.Flags)) {
			f, until := list.Flags[name], "-"
			if !f.Metadata.Until.IsZero() {
				until = f.Metadata.Until.Local().Format(time.TimeOnly)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", app, name, f.DefaultVariant, until,
				strings.Join(slices.Sorted(maps.Keys(f.Variants)), ", "), f.Metadata.Description)
		}
	}
	return nil
}

func faultsPath(app string) string { return "/api/v1/faults/" + url.PathEscape(app) }

func (c *client) switchFault(ctx context.Context, app, flag, variant, minutes string) error {
	change := map[string]any{"variant": variant}
	if minutes != "" {
		n, err := strconv.Atoi(minutes)
		if err != nil {
			return fmt.Errorf("MINUTES=%s is not a number", minutes)
		}
		change["minutes"] = n
	}
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	address := c.base + faultsPath(app) + "/" + url.PathEscape(flag)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.exchange(req, nil)
}
