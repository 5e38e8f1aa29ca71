package dev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// An editor writes a file in several steps, and a developer often several files at once. A change is complete when
// nothing has happened for settle, or after settleAtMost.
const (
	settle       = 50 * time.Millisecond
	settleAtMost = time.Second
)

// watcher reports the files that change in some folders and in the folders in them.
type watcher struct{ *fsnotify.Watcher }

func newWatcher() (watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return watcher{}, fmt.Errorf("watch the source: %w", err)
	}
	return watcher{w}, nil
}

// addAll watches a folder and all folders in it, except those that the go command ignores. It returns the files in
// them.
func (w watcher) addAll(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it was there a moment ago
		case err != nil:
			return err
		case !d.IsDir():
			files = append(files, path)
			return nil
		case path != folder && ignored(d.Name()):
			return filepath.SkipDir
		}
		return w.Add(path)
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return files, fmt.Errorf("watch %s: %w", folder, err)
	}
	return files, nil
}

func ignored(folder string) bool {
	return strings.HasPrefix(folder, ".") || strings.HasPrefix(folder, "_") || folder == "testdata" ||
		folder == "node_modules"
}

// next waits for changes and returns the paths of what has changed, and the time of the first change. After an error of
// the system it does not know what has changed: then lost is true.
func (w watcher) next(ctx context.Context, matters func(path string) bool) (
	paths []string, at time.Time, lost bool, err error) {
	var quiet, enough <-chan time.Time
	for {
		var now []string
		select {
		case <-ctx.Done():
			return nil, at, false, ctx.Err()
		case <-quiet:
			return paths, at, lost, nil
		case <-enough:
			return paths, at, lost, nil
		case event, ok := <-w.Events:
			if !ok {
				return nil, at, false, fsnotify.ErrClosed
			}
			if now, err = w.changed(event); err != nil {
				return nil, at, false, err
			}
		case err := <-w.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return nil, at, false, fmt.Errorf("watch the source: %w", err)
			}
			lost = true
		}
		now = slices.DeleteFunc(now, func(path string) bool { return slices.Contains(paths, path) || !matters(path) })
		paths = append(paths, now...)
		if len(paths) == 0 && !lost {
			continue
		}
		if at.IsZero() {
			at, enough = time.Now(), time.After(settleAtMost)
		}
		quiet = time.After(settle)
	}
}

// changed returns the paths of an event: with a folder that is new, the files that are in it already.
func (w watcher) changed(event fsnotify.Event) ([]string, error) {
	if event.Op == fsnotify.Chmod || ignored(filepath.Base(event.Name)) {
		return nil, nil
	}
	if !event.Has(fsnotify.Create) {
		return []string{event.Name}, nil
	}
	files, err := w.addAll(event.Name)
	return append(files, event.Name), err
}
