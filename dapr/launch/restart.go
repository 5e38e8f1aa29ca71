package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"haberdash/dapr/launch/apps"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/secrets"
)

// AllApps stands for every app in the arguments of RestartApps.
const AllApps = "all"

// RestartApps restarts apps with the command, environment and directory that they were started with, whatever the
// command is, and waits until they are ready and their sidecars pass calls to them. The sidecars go on running. It also
// starts an app that has stopped, and one that is detached, whose port must be free by then. It returns the names of
// the apps. The error for an unknown app lists those that exist.
func (s *Shop) RestartApps(ctx context.Context, names ...string) (restarted []string, err error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	list, err := s.find(names)
	if err != nil {
		return nil, err
	}
	for _, a := range list {
		if err := s.restartable(a); err != nil {
			return nil, err
		}
		restarted = append(restarted, a.AppID)
	}
	s.Phase("restarting " + strings.Join(restarted, ", "))
	defer s.Update(func(st *rundir.State) { st.Phase = "" })
	if err := s.terminateApps(list); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.StartTimeout)
	defer cancel()
	var processes []string
	for _, a := range list {
		if err := s.Restart(a.AppID); err != nil {
			return nil, err
		}
		if err := os.Remove(DetachedFile(s.opts.RunDir, a.AppID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		processes = append(processes, a.AppID, apps.SidecarOf(a.AppID))
	}
	if err := s.Await(ctx, nil, processes...); err != nil {
		return nil, err
	}
	return restarted, s.awaitCalls(ctx, list)
}

// find returns the apps of the names, or all of them for AllApps.
func (s *Shop) find(names []string) (list []runfile.App, err error) {
	if s.opts.BackingOnly {
		return nil, errors.New("the apps run by hand: `make backing` has started only what they need")
	}
	for _, name := range names {
		at := slices.IndexFunc(s.file.Apps, func(a runfile.App) bool { return a.AppID == name })
		if at < 0 && name != AllApps {
			return nil, fmt.Errorf("no app %q: the apps of this shop are %s", name, strings.Join(s.Apps(), ", "))
		}
	}
	for _, a := range s.file.Apps {
		if slices.Contains(names, a.AppID) || slices.Contains(names, AllApps) {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("which app? APP=orders, APP=\"orders cart\" or APP=%s; the apps of this shop are %s",
			AllApps, strings.Join(s.Apps(), ", "))
	}
	return list, nil
}

// restartable fails if an app cannot start again: its sidecar has stopped, or another program has its port, such as the
// debugger in which the app runs while it is detached.
func (s *Shop) restartable(a runfile.App) error {
	if sidecar, ok := s.Process(apps.SidecarOf(a.AppID)); ok && sidecar.Exit != "" {
		return fmt.Errorf("the sidecar of %s has stopped (%s), so the app cannot work: `make down`, then `make up`",
			a.AppID, sidecar.Exit)
	}
	app, _ := s.Process(a.AppID)
	if app.Exit == "" {
		return nil
	}
	for _, port := range app.Ports {
		if !ports.Free(port) {
			return fmt.Errorf("port %d of %s is in use%s: end that program, then `make restart APP=%s` starts the app",
				port, a.AppID, ports.Holder(port), a.AppID)
		}
	}
	return nil
}

// terminateApps stops the gateway before the apps that it calls.
func (s *Shop) terminateApps(list []runfile.App) error {
	for _, public := range []bool{true, false} {
		var group errgroup.Group
		for _, a := range list {
			if public == (a.Port == s.opts.GatewayPort) {
				group.Go(func() error { return s.Terminate(a.AppID) })
			}
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// awaitCalls waits until the sidecars pass calls to their apps. A sidecar that has not reached its app for some time
// notices only at its next probe that the app is back.
func (s *Shop) awaitCalls(ctx context.Context, list []runfile.App) error {
	for _, a := range list {
		url := fmt.Sprintf("%s/v1.0/invoke/%s/method%s", s.SidecarHTTP(a.AppID), a.AppID, s.file.HealthPath(a))
		for began := time.Now(); !s.answers(ctx, url, a.Env[runfile.SidecarToken]); {
			select {
			case err := <-s.Died():
				return err
			case <-ctx.Done():
				return s.NotReady([]string{a.AppID, apps.SidecarOf(a.AppID)}, time.Since(began), ctx.Err())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

func (s *Shop) answers(ctx context.Context, url, token string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	request.Header.Set("dapr-api-token", token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode/100 == 2
}

// Detached is an app whose program somebody else runs, such as a debugger, beside the sidecar of the shop.
type Detached struct {
	App  string            `json:"app"`
	Env  map[string]string `json:"env"`  // that the program needs
	File string            `json:"file"` // has the variables of Env, for a shell and for editors
	Dir  string            `json:"dir"`  // the working directory of the app

	Command []string `json:"command,omitempty"` // of an app of another folder
}

// DetachedFile is the file with the environment of a detached app.
func DetachedFile(runDir, app string) string { return filepath.Join(detachedDir(runDir), app+".env") }

func detachedDir(runDir string) string { return filepath.Join(runDir, "detached") }

// Detach stops an app and leaves its sidecar running, so that its program can run elsewhere with the environment that
// Detach returns: until RestartApps, or until the shop stops. For an app that is detached already, it only returns the
// environment.
func (s *Shop) Detach(name string) (Detached, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	list, err := s.find([]string{name})
	if err != nil {
		return Detached{}, err
	}
	if len(list) != 1 {
		return Detached{}, errors.New("one app at a time can be detached: `make detach APP=orders`")
	}
	name = list[0].AppID
	command, _ := s.Command(name)
	if len(command.Env) == 0 {
		return Detached{}, fmt.Errorf("detach %s: this system does not show the environment of a process", name)
	}
	if err := s.Terminate(name); err != nil {
		return Detached{}, err
	}
	if err := s.Set.Detach(name); err != nil {
		return Detached{}, err
	}
	return s.writeDetached(name)
}

// writeDetached writes the file of a detached app.
func (s *Shop) writeDetached(app string) (Detached, error) {
	command, _ := s.Command(app)
	d := Detached{
		App: app, Env: process.Given(command.Env), File: DetachedFile(s.opts.RunDir, app), Dir: command.Dir,
	}
	for _, a := range s.opts.OfFolders() {
		if a.ID == app {
			d.Dir, d.Command = a.Dir, a.Start
		}
	}
	return d, secrets.WriteDotEnv(d.File, d.Env)
}

// isDetached reports whether somebody else runs the program of an app.
func (s *Shop) isDetached(app string) bool {
	p, _ := s.Process(app)
	return p.Detached
}

// detachedPorts lists the ports of the apps that were detached when a shop wrote its state.
func detachedPorts(st rundir.State) map[int]string {
	list := map[int]string{}
	for _, p := range st.Processes {
		if p.Detached {
			for _, port := range p.Ports {
				list[port] = p.Name
			}
		}
	}
	return list
}
