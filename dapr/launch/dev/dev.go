// Package dev is the inner loop of a developer: it watches the source of the apps, builds those that a change belongs
// to, and has them restarted. It knows about Go packages; the restart itself does not.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"haberdash/dapr/launch/control"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/toolchain"
)

// Options say which checkout is watched for which shop.
type Options struct {
	Root, RunDir string
	Log          io.Writer
	Except       []string // apps of the checkout that do not run, because others replace them

	// Restart restarts apps of the running shop and waits until they are ready.
	Restart func(ctx context.Context, apps []string) error
}

// Run brings the apps of a running shop up to date, and does so after each change until ctx ends. While the source does
// not compile, the apps go on as they are, and Run prints the errors of the compiler. It fails if the shop stops, or if
// the system cannot watch the source.
func Run(ctx context.Context, o Options) error {
	s, err := list(ctx, o.Root, o.Except...)
	if err != nil {
		return err
	}
	w, err := newWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	l := loop{Options: o, sources: s, due: s.apps()}
	if len(l.due) == 0 {
		return errors.New("no apps to build: apps/*/main.go is empty")
	}
	if err := w.Add(s.root); err != nil { // for go.mod
		return fmt.Errorf("watch %s: %w", s.root, err)
	}
	if err := l.watch(w); err != nil { // before the first build, so that no change is missed
		return err
	}
	if err := l.update(ctx, time.Now()); err != nil {
		return err
	}
	for {
		if err := l.watch(w); err != nil {
			return err
		}
		paths, at, lost, err := w.next(ctx, l.isSource)
		if err != nil {
			return err
		}
		if !l.note(paths, lost) {
			continue
		}
		if err := l.update(ctx, at); err != nil {
			return err
		}
	}
}

// loop is the state of Run between two changes.
type loop struct {
	Options
	sources
	due     []string // apps whose programs are older than the source
	watched []string // folders
}

// watch watches the folders that have the packages of the apps.
func (l *loop) watch(w watcher) error {
	for _, folder := range l.folders() {
		if slices.Contains(l.watched, folder) {
			continue
		}
		if _, err := w.addAll(folder); err != nil {
			return err
		}
		l.watched = append(l.watched, folder)
		fmt.Fprintf(l.Log, "watching %s\n", filepath.Base(folder))
	}
	return nil
}

// note adds the apps of changed files to those that are due, and reports whether there are any. While a build fails,
// any change may mend it, even one of a package that no app has imported when the source last compiled.
func (l *loop) note(paths []string, lost bool) bool {
	if lost {
		l.due = l.apps()
		fmt.Fprintln(l.Log, "more files have changed than the system reports: building all apps")
		return true
	}
	for _, path := range paths {
		l.due = append(l.due, l.appsOf(path)...)
	}
	slices.Sort(l.due)
	l.due = slices.Compact(l.due)
	if len(l.due) == 0 {
		return false
	}
	name := paths[0]
	if rel, err := filepath.Rel(l.root, name); err == nil {
		name = rel
	}
	if more := len(paths) - 1; more > 0 {
		name = fmt.Sprintf("%s and %d more", name, more)
	}
	fmt.Fprintf(l.Log, "%s changed: building %s\n", name, strings.Join(l.due, ", "))
	return true
}

// update builds the apps that are due and restarts those that run another program. Only the end of the shop is an error
// here: others are printed, and the next change gets another try.
func (l *loop) update(ctx context.Context, since time.Time) error {
	if err := toolchain.BuildSome(ctx, l.root, l.due, l.Log); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintln(l.Log, err)
		fmt.Fprintln(l.Log, "the apps go on as they were")
		return nil
	}
	built := l.due
	l.due = nil
	if running, err := rundir.Running(l.RunDir); err != nil {
		return err
	} else if !running {
		return control.ErrNotRunning
	}
	st, err := rundir.ReadState(l.RunDir)
	if err != nil {
		return err
	}
	old, err := Outdated(l.root, st.Processes)
	if err != nil {
		return err
	}
	restart := stopped(built, st.Processes)
	for _, app := range old {
		if slices.Contains(built, app) {
			restart = append(restart, app)
		}
	}
	for _, p := range st.Processes {
		if p.Detached && slices.Contains(built, p.Name) {
			fmt.Fprintf(l.Log, "%s is detached: whoever runs it has to start it again\n", p.Name)
		}
	}
	if len(restart) > 0 {
		if err := l.Restart(ctx, restart); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			fmt.Fprintln(l.Log, err)
		} else {
			fmt.Fprintf(l.Log, "serving after %s: %s\n", time.Since(since).Round(100*time.Millisecond),
				strings.Join(restart, ", "))
		}
	}
	// A change may have added a package.
	if next, err := list(ctx, l.root, l.Except...); err == nil {
		l.sources = next
	}
	return ctx.Err()
}
