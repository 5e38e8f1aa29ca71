package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/control"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/toolchain"
)

// Build checks the options and builds everything that Start needs. It returns the run directory, and rundir.ErrRunning
// without building anything if a shop runs there.
func Build(ctx context.Context, o config.Options) (string, error) {
	o, err := o.Complete()
	if err != nil {
		return "", err
	}
	if err := toolchain.MakeDir(o.RunDir); err != nil {
		return "", err
	}
	if locked, err := rundir.Running(o.RunDir); err != nil || locked {
		return o.RunDir, errors.Join(err, rundir.ErrRunning)
	}
	if _, err := toolchain.EnsureTools(ctx, o.Root, o.System, o.Log, o.Folders()...); err != nil {
		return o.RunDir, err
	}
	if err := toolchain.BuildApps(ctx, o.Root, o.Log); err != nil {
		return o.RunDir, err
	}
	return o.RunDir, buildJoined(ctx, o)
}

// Down stops the shop of a run directory, and what a launcher that was killed left behind; data stays. It reports
// whether there was anything to stop, and fails if a port of the shop is still in use. The program of a detached app is
// not one of the shop, so it goes on running, and Down only tells of it.
func Down(ctx context.Context, o config.Options) (bool, error) {
	o, err := o.Complete()
	if err != nil {
		return false, err
	}
	st, was, err := rundir.Down(ctx, o.RunDir)
	if err != nil {
		return was, err
	}
	if st.PortBase == 0 || st.Status == rundir.Stopped || st.Status == rundir.Failed {
		return was, nil
	}
	file, err := runfile.Read(runfile.Source(o.Root))
	if err != nil {
		return was, err
	}
	o.PortBase, o.GatewayPort, o.Secure = st.PortBase, st.GatewayPort, st.Choices["SECURE"] != ""
	detached := detachedPorts(st)
	for _, p := range file.Render(o).Ports(o) {
		if ports.Bindable(p.Port) {
			continue
		}
		if app := detached[p.Port]; app != "" {
			fmt.Fprintf(o.Log, "%s was detached, and its port %d is still in use%s\n", app, p.Port, ports.Holder(p.Port))
		} else {
			return was, fmt.Errorf("everything is stopped, but port %d (%s) is in use%s", p.Port, p.For, ports.Holder(p.Port))
		}
	}
	st.Status = rundir.Stopped
	return was, st.Write(o.RunDir)
}

// Clean stops the shop and removes its data, logs and secrets. Built programs stay.
func Clean(ctx context.Context, o config.Options) error {
	o, err := o.Complete()
	if err != nil {
		return err
	}
	if _, err := Down(ctx, o); err != nil {
		return err
	}
	for _, name := range append([]string{
		"logs", "logs.previous", ".dapr", "config", "runtime", "sidecars", "detached", "sentry", "sentry-short",
		"apps.yaml", "env", "tye", "tye.yaml", control.FileName, secrets.FileName, "state.json", "supervisor.log",
	}, dataDirs...) {
		if err := os.RemoveAll(filepath.Join(o.RunDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// Administrator returns the first administrator of the shop, from its rendered run file; empty if there is none.
func Administrator(runDir string) (email, password string) {
	f, err := runfile.Read(runfile.Rendered(runDir))
	if err != nil {
		return "", ""
	}
	for _, a := range f.Apps {
		if a.Env["ADMIN_EMAIL"] != "" {
			return a.Env["ADMIN_EMAIL"], a.Env["ADMIN_PASSWORD"]
		}
	}
	return "", ""
}
