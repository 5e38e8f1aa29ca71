package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"haberdash/internal/roster"
)

// ExportOptions are the options of an export.
type ExportOptions struct {
	State   string            // Header.State
	Secrets map[string]string // Header.Secrets
	// StayReadOnly leaves the shop read-only, because two shops must not sell the same goods. Without it, the shop is
	// afterwards as it was before.
	StayReadOnly bool
	Log          io.Writer // progress, a line each
}

const (
	drainTimeout = time.Minute // how long consumers may take to reach the end of the logs
	drainTick    = 200 * time.Millisecond
	attempts     = 5 // an export is repeated if the shop changes by itself meanwhile, such as by an expired authorisation
)

// Export writes the data of the shop into a file that does not exist yet. The shop is read-only meanwhile. Nothing of
// the data has changed between the first item and the last; otherwise Export fails and leaves no file.
func Export(ctx context.Context, c Client, path string, o ExportOptions) (t Trailer, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return t, errors.Join(fmt.Errorf("%s exists already", path), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return t, err
	}
	was, err := c.ReadOnly(ctx)
	if err != nil {
		return t, err
	}
	fmt.Fprintln(o.Log, "the shop is read-only")
	defer func() {
		if was || o.StayReadOnly && err == nil {
			return
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if failed := c.SetReadOnly(last, false); failed != nil {
			err = errors.Join(err, fmt.Errorf("the shop is still read-only, make read-only SWITCH=off: %w", failed))
		}
	}()
	if err := c.SetReadOnly(ctx, true); err != nil {
		return t, err
	}
	part := path + ".part"
	defer os.Remove(part)
	for range attempts {
		before, err := c.drain(ctx)
		if err != nil {
			return t, err
		}
		if t, err = c.write(ctx, part, before, o); err != nil {
			return t, err
		}
		after, err := c.Summarise(ctx)
		if err != nil {
			return t, err
		}
		if len(after.Differences(before)) == 0 {
			return t, os.Rename(part, path)
		}
		fmt.Fprintln(o.Log, "the shop has changed by itself meanwhile: trying again")
	}
	return t, errors.New("the shop keeps changing though it is read-only: try again later")
}

// drain waits until the consumers have reached the end of the logs, so that no event is between two apps, and returns
// the summary of the data.
func (c Client) drain(ctx context.Context) (Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	for {
		lag, err := c.lag(ctx)
		if err != nil {
			return Summary{}, err
		}
		if lag == "" {
			return c.Summarise(context.WithoutCancel(ctx))
		}
		select {
		case <-ctx.Done():
			return Summary{}, fmt.Errorf("%w: %s", ctx.Err(), lag)
		case <-time.After(drainTick):
		}
	}
}

// lag describes a consumer that is not at the end of a log; empty if all are.
func (c Client) lag(ctx context.Context) (string, error) {
	heads := map[string]uint64{}
	for _, app := range roster.Following() {
		cursors, err := c.cursors(ctx, app)
		if err != nil {
			return "", err
		}
		for _, cursor := range cursors {
			if cursor.Partition == "" {
				continue // not a cursor in a log
			}
			log := cursor.Source + "/" + cursor.Partition
			if _, known := heads[log]; !known {
				if heads[log], err = c.head(ctx, cursor.Source, cursor.Partition); err != nil {
					return "", err
				}
			}
			if cursor.Position < heads[log] {
				return fmt.Sprintf("%s is at event %d of %d of %s", app, cursor.Position, heads[log], log), nil
			}
		}
	}
	return "", nil
}

// write writes a whole archive.
func (c Client) write(ctx context.Context, path string, s Summary, o ExportOptions) (t Trailer, err error) {
	w, err := create(path, Header{At: time.Now().UTC(), State: o.State, Secrets: o.Secrets})
	if err != nil {
		return t, err
	}
	defer w.file.Close()
	for _, app := range roster.Exported() {
		if err := c.copy(ctx, app, w); err != nil {
			return t, err
		}
		fmt.Fprintf(o.Log, "%s: %d items\n", app, w.items[app])
	}
	return w.finish(s)
}

// copy adds the export of an app to the archive.
func (c Client) copy(ctx context.Context, app string, w *writer) error {
	req, err := c.request(ctx, app, http.MethodGet, "/internal/export", nil)
	if err != nil {
		return err
	}
	res, err := send(req)
	if err != nil {
		return fmt.Errorf("export %s: %w", app, err)
	}
	defer res.Body.Close()
	return w.add(app, res.Body)
}
