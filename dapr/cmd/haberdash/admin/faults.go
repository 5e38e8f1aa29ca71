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
		if !slices.Contains(apps, app) {
			return fmt.Errorf("APP=%s has no fault flags: the apps are %s", app, strings.Join(apps, ", "))
		}
		apps = []string{app}
	}
	if flag != "" {
		if err := c.switchFault(ctx, app, flag, variant, minutes); err != nil {
			return err
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprintln(t, "APP\tFLAG\tNOW\tUNTIL\tVARIANTS\tEFFECT")
	for _, app := range apps {
		list, err := c.flags(ctx, app)
		if err != nil {
			return err
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

func (c *client) flags(ctx context.Context, app string) (list flags, err error) {
	if err := c.do(ctx, http.MethodGet, faultsPath(app), &list); err != nil {
		return list, fmt.Errorf("fault flags of %s: %w", app, err)
	}
	return list, nil
}

// check fails for a flag or a variant that an app does not have, and lists those that it has.
func (f flags) check(app, flag, variant string) error {
	found, known := f.Flags[flag]
	if !known {
		return fmt.Errorf("%s has no flag %q: it has %s", app, flag,
			strings.Join(slices.Sorted(maps.Keys(f.Flags)), ", "))
	}
	if _, known := found.Variants[variant]; !known {
		return fmt.Errorf("the flag %s of %s has no variant %q: it has %s", flag, app, variant,
			strings.Join(slices.Sorted(maps.Keys(found.Variants)), ", "))
	}
	return nil
}

func (c *client) switchFault(ctx context.Context, app, flag, variant, minutes string) error {
	change := map[string]any{"variant": variant}
	if minutes != "" {
		n, err := strconv.Atoi(minutes)
		if err != nil {
			return fmt.Errorf("MINUTES=%s is not a number", minutes)
		}
		change["minutes"] = n
	}
	list, err := c.flags(ctx, app)
	if err != nil {
		return err
	}
	if err := list.check(app, flag, variant); err != nil {
		return err
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
