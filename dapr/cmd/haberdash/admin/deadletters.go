package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"haberdash/dapr/cmd/haberdash/lifecycle"
	"haberdash/dapr/launch/config"
	"haberdash/internal/roster"
)

type deadLetter struct {
	ID, Event, Type, Reason string
	At                      time.Time
	Tries                   int
}

// DeadLetters lists the events that apps could not handle: those of the app in args, or of all. An app that has joined
// may have no list of them.
func DeadLetters(ctx context.Context, o config.Options, args []string) error {
	c, err := newClient(ctx, o)
	if err != nil {
		return err
	}
	apps := roster.Following()
	for _, app := range c.joined {
		if app.DeadLetters {
			apps = append(apps, app.App)
		}
	}
	if len(args) > 0 && args[0] != "" {
		apps = args[:1]
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	n := 0
	for _, app := range apps {
		letters, err := c.deadLetters(ctx, app)
		var refused *refusal
		if _, own := roster.Find(app); !own && errors.As(err, &refused) && refused.status == http.StatusNotFound {
			fmt.Fprintf(os.Stderr, "%s does not list its dead letters\n", app)
			continue
		}
		if err != nil {
			return err
		}
		for _, d := range letters {
			if n++; n == 1 {
				fmt.Fprintln(t, "APP\tID\tTYPE\tEVENT\tLAST TRIED\tTRIES\tREASON")
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n",
				app, d.ID, d.Type, d.Event, d.At.Format(time.RFC3339), d.Tries, d.Reason)
		}
	}
	t.Flush()
	if n == 0 {
		fmt.Println("none")
	}
	return nil
}

// Replay makes an app handle a dead letter again, or all of them, the oldest first, such as after an outage. args are
// the app and the id of the dead letter, or "all".
func Replay(ctx context.Context, o config.Options, args []string) error {
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return errors.New("name the app and the dead letter, see make dead-letters: " +
			"make replay APP=cart ID=orders:orders:7, or ID=all")
	}
	c, err := newClient(ctx, o)
	if err != nil {
		return err
	}
	app, ids := args[0], args[1:]
	if args[1] == "all" {
		letters, err := c.deadLetters(ctx, app)
		if err != nil {
			return err
		}
		ids = nil
		for _, d := range slices.Backward(letters) {
			ids = append(ids, d.ID)
		}
	}
	failed := 0
	for _, id := range ids {
		path := "/api/v1/dead-letters/" + url.PathEscape(app) + "/" + url.PathEscape(id) + "/replay"
		if err := c.do(ctx, http.MethodPost, path, nil); err != nil {
			failed++
			fmt.Fprintf(os.Stderr, "%s: %v\n", id, err)
		}
	}
	fmt.Printf("%d handled, %d failed\n", len(ids)-failed, failed)
	if failed > 0 {
		return lifecycle.ErrReported
	}
	return nil
}

// deadLetters reads all pages of an app's list.
func (c *client) deadLetters(ctx context.Context, app string) (all []deadLetter, err error) {
	for cursor := ""; ; {
		var page struct {
			Items      []deadLetter
			NextCursor string
		}
		path := "/api/v1/dead-letters/" + url.PathEscape(app) + "?limit=100&cursor=" + url.QueryEscape(cursor)
		if err := c.do(ctx, http.MethodGet, path, &page); err != nil {
			return nil, fmt.Errorf("dead letters of %s: %w", app, err)
		}
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}
