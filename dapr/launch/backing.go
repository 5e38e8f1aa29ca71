package launch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"haberdash/dapr/launch/controlplane"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/supervisor"
	"haberdash/internal/roster"
)

// startBacking starts what sidecars need.
func (s *Shop) startBacking(ctx context.Context) error {
	if s.opts.Secure { // before the others, which get their certificates from it when they start
		if err := s.startSentry(ctx); err != nil {
			return err
		}
	}
	base, dir, trust := s.opts.PortBase, s.opts.RunDir, trust(s.opts)
	list := []supervisor.Spec{
		controlplane.Placement(s.tools.Placement, base, trust),
		controlplane.Scheduler(s.tools.Scheduler, base, filepath.Join(dir, "scheduler"), trust),
	}
	if s.opts.PubSub == "embedded" {
		topics := roster.TopicsOf(s.opts.Apps())
		list = append(list, controlplane.Broker(s.tools.Broker, base+ports.Broker, filepath.Join(dir, "broker"), topics))
	}
	var names []string
	for _, spec := range list {
		if err := s.startProcess(spec); err != nil {
			return err
		}
		// Even with a single member, etcd takes two seconds to elect a leader. The sidecars can start meanwhile: they
		// are not ready before the scheduler is.
		if spec.Name != "scheduler" || s.opts.BackingOnly {
			names = append(names, spec.Name)
		}
	}
	return s.Await(ctx, s.reportWaiting, names...)
}

// startSentry starts sentry, and starts it again if it has created its authority: sentry watches its files, would see
// the new ones as a change, and would reload itself within the next seconds while others ask it for certificates.
func (s *Shop) startSentry(ctx context.Context) error {
	settings := s.file.Common.ConfigFile
	if s.opts.ShortCertificates {
		var err error
		if settings, err = controlplane.ShortAuthority(issuerDir(s.opts)); err != nil {
			return err
		}
	}
	_, err := os.Stat(trust(s.opts).Anchors)
	created := errors.Is(err, fs.ErrNotExist)
	spec := controlplane.Sentry(s.tools.Sentry, s.opts.PortBase, issuerDir(s.opts), settings)
	if err := s.startProcess(spec); err != nil {
		return err
	}
	if err := s.Await(ctx, s.reportWaiting, spec.Name); err != nil || !created {
		return err
	}
	if err := s.Kill(spec.Name); err != nil {
		return err
	}
	if err := s.Restart(spec.Name); err != nil {
		return err
	}
	return s.Await(ctx, s.reportWaiting, spec.Name)
}

// startProcess starts a process in the run directory with the environment of the shop.
func (s *Shop) startProcess(spec supervisor.Spec) error {
	spec.Command.Env, spec.Command.Dir = s.env, s.opts.RunDir
	spec.Command.Log = filepath.Join(s.opts.RunDir, "logs", spec.Name+".log")
	return s.Supervisor.Start(spec)
}

func (s *Shop) reportWaiting(names []string) { s.Phase("waiting for " + strings.Join(names, ", ")) }
