package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"haberdash/dapr/launch"
	"haberdash/internal/contract"
)

type deadLetter struct {
	ID, Event, Type, Reason string
	At                      time.Time
	Tries                   int
}

// deadLetters lists the events that apps could not handle: those of one app, or of all.
func deadLetters(ctx context.Context, o launch.Options, args []string) error {
	apps := contract.Consumers()
	if len(args) > 0 && args[0] != "" {
		apps = args[:1]
	}
	a, err := asAdministrator(ctx, o)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	n := 0
	for _, app := range apps {
		for cursor := ""; ; {
			var page struct {
				Items      []deadLetter
				NextCursor string
			}
			path := "/api/v1/dead-letters/" + url.PathEscape(app) + "?limit=100&cursor=" + url.QueryEscape(cursor)
			if err := a.do(ctx, http.MethodGet, path, &page); err != nil {
				return fmt.Errorf("dead letters of %s: %w", app, err)
			}
			for _, d := range page.Items {
				if n++; n == 1 {
					fmt.Fprintln(t, "APP\tID\tTYPE\tEVENT\tLAST TRIED\tTRIES\tREASON")
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", app, d.ID, d.Type, d.Event, d.At.Format(time.RFC3339), d.Tries, d.Reason)
			}
			if cursor = page.NextCursor; cursor == "" {
				break
			}
		}
	}
	t.Flush()
	if n == 0 {
		fmt.Println("none")
	}
	return nil
}

// replay has an app handle a dead letter once more.
func replay(ctx context.Context, o launch.Options, args []string) error {
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return errors.New("name the app and the dead letter, see make dead-letters: make replay APP=cart ID=orders:orders:7")
	}
	a, err := asAdministrator(ctx, o)
	if err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodPost, "/api/v1/dead-letters/"+url.PathEscape(args[0])+"/"+url.PathEscape(args[1])+"/replay", nil); err != nil {
		return fmt.Errorf("replay %s of %s: %w", args[1], args[0], err)
	}
	fmt.Println("handled")
	return nil
}
