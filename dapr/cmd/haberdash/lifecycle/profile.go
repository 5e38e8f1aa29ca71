package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/internal/httpx"
)

// defaultProfile is the time of a profile in seconds.
const defaultProfile = 10

// Profile takes a CPU profile of the app that args name, for the seconds that follow or for ten, and writes it into the
// directory profiles of the run directory.
func Profile(ctx context.Context, o config.Options, args []string) error {
	app, seconds, err := profileArguments(args)
	if err != nil {
		return err
	}
	dir, err := RunDir(o)
	if err != nil {
		return err
	}
	st, err := rundir.ReadState(dir)
	if err != nil {
		return err
	}
	if locked, err := rundir.Running(dir); err != nil || !locked {
		return errors.Join(err, errors.New("the shop is not running: `make up` starts it"))
	}
	port, err := operationsPort(st, app)
	if err != nil {
		return err
	}
	fmt.Printf("profiling %s for %d s\n", app, seconds)
	file := filepath.Join(dir, "profiles", app+"-"+time.Now().UTC().Format("20060102T150405Z")+".pprof")
	url := fmt.Sprintf("http://127.0.0.1:%d%s/profile?seconds=%d", port, httpx.Profiles, seconds)
	if err := download(ctx, url, file); err != nil {
		return fmt.Errorf("profile of %s: %w", app, err)
	}
	fmt.Printf("%s\nnext:  go tool pprof -http=localhost: %s\n", file, file)
	return nil
}

func profileArguments(args []string) (app string, seconds int, err error) {
	if len(args) == 0 || args[0] == "" {
		return "", 0, errors.New("which app? make profile APP=orders, SECONDS=10")
	}
	if len(args) == 1 || args[1] == "" {
		return args[0], defaultProfile, nil
	}
	seconds, err = strconv.Atoi(args[1])
	if err != nil || seconds < 1 {
		return "", 0, fmt.Errorf("SECONDS is %q: expected a number from 1 to 60", args[1])
	}
	return args[0], seconds, nil
}

// operationsPort returns the port at which an app serves operators: a port of its own, or that of all requests if the
// public does not reach it.
func operationsPort(st rundir.State, app string) (int, error) {
	at := slices.IndexFunc(st.Processes, func(p process.Process) bool {
		return p.Name == app && p.Kind == process.KindApp
	})
	if at < 0 {
		return 0, fmt.Errorf("no app %q is running", app)
	}
	ports := st.Processes[at].Ports
	return cmp.Or(ports["operations"], ports["http"]), nil
}

// download writes what a URL answers into a file, which only its owner can read.
func download(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, res.Body)
	return errors.Join(err, out.Close())
}
