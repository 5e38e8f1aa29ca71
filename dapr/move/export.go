package move

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
)

// Options of an export.
type Options struct {
	State   string            // Header.State
	Secrets map[string]string // Header.Secrets
	// Keep leaves the shop read-only: two shops must not sell the same goods. Otherwise it is then as it was before.
	Keep bool
	Log  io.Writer // progress, a line each
}

// How long consumers may take to come to the end of the logs, and how often an export is begun anew because the shop
// has done something by itself meanwhile: an authorisation expired, say.
const (
	settleTime = time.Minute
	settleTick = 200 * time.Millisecond
	attempts   = 5
)

// Export writes the shop's data into a file that does not exist yet. The shop is read-only meanwhile, and nothing of
// it has changed between the first item and the last: or there is an error and no file.
func Export(ctx context.Context, s Shop, path string, o Options) (t Trailer, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return t, errors.Join(fmt.Errorf("%s exists already", path), err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return t, err
	}
	was, err := s.Mode(ctx)
	if err != nil {
		return t, err
	}
	fmt.Fprintln(o.Log, "the shop is read-only")
	defer func() {
		if was || o.Keep && err == nil {
			return
		}
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if open := s.SetReadOnly(last, false); open != nil {
			err = errors.Join(err, fmt.Errorf("the shop is still read-only, make read-only SWITCH=off: %w", open))
		}
	}()
	if err := s.SetReadOnly(ctx, true); err != nil {
		return t, err
	}
	part := path + ".part"
	defer os.Remove(part)
	for range attempts {
		before, err := s.settled(ctx)
		if err != nil {
			return t, err
		}
		if t, err = s.write(ctx, part, before, o); err != nil {
			return t, err
		}
		after, err := s.Figures(ctx)
		if err != nil {
			return t, err
		}
		if len(after.Differences(before)) == 0 {
			return t, os.Rename(part, path)
		}
		fmt.Fprintln(o.Log, "the shop has done something by itself meanwhile: once more")
	}
	return t, errors.New("the shop keeps changing though it is read-only: try again later")
}

// settled waits until the consumers have come to the end of the logs, so that nothing is on its way between apps, and
// gives the figures of then.
func (s Shop) settled(ctx context.Context) (Figures, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		behind, err := s.behind(ctx)
		if err != nil {
			return Figures{}, err
		}
		if behind == "" {
			return s.Figures(context.WithoutCancel(ctx))
		}
		select {
		case <-ctx.Done():
			return Figures{}, fmt.Errorf("%w: %s", ctx.Err(), behind)
		case <-time.After(settleTick):
		}
	}
}

// behind names a consumer that is not at the end of a log; empty if none is.
func (s Shop) behind(ctx context.Context) (string, error) {
	f := map[string]uint64{}
	for _, app := range consumers {
		cursors, err := s.cursors(ctx, app)
		if err != nil {
			return "", err
		}
		for _, c := range cursors {
			if c.Partition == "" {
				continue // no log
			}
			log := c.Source + "/" + c.Partition
			if _, asked := f[log]; !asked {
				if f[log], err = s.head(ctx, c.Source, c.Partition); err != nil {
					return "", err
				}
			}
			if c.Position < f[log] {
				return fmt.Sprintf("%s is at event %d of %d of %s", app, c.Position, f[log], log), nil
			}
		}
	}
	return "", nil
}

// write writes a whole file.
func (s Shop) write(ctx context.Context, path string, f Figures, o Options) (t Trailer, err error) {
	w, err := create(path, Header{At: time.Now().UTC(), State: o.State, Secrets: o.Secrets})
	if err != nil {
		return t, err
	}
	defer w.file.Close()
	for _, app := range apps {
		if err := s.copy(ctx, app, w); err != nil {
			return t, err
		}
		fmt.Fprintf(o.Log, "%s: %d items\n", app, w.items[app])
	}
	return w.finish(f)
}

// copy adds an app's export to the file.
func (s Shop) copy(ctx context.Context, app string, w *writer) error {
	req, err := s.request(ctx, app, http.MethodGet, "/internal/export", nil)
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
