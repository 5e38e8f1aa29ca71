package launch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"haberdash/dapr/launch/control"
	"haberdash/dapr/launch/controlplane"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/launch/toolchain"
)

// dataDirs are the directories that Clean removes and Down keeps.
var dataDirs = []string{"data", "mail", "broker", "scheduler"}

// prepare creates the directories and files of the run directory, and the environment of the processes.
func (s *Shop) prepare() error {
	dir := s.opts.RunDir
	for _, d := range append([]string{"logs"}, dataDirs...) {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return err
		}
	}
	earlier := []string{
		EnvFile(dir), filepath.Dir(s.sidecarFile("")), detachedDir(dir), filepath.Join(dir, control.FileName),
	}
	for _, file := range earlier {
		if err := os.RemoveAll(file); err != nil {
			return err
		}
	}
	if err := rotateLogs(dir); err != nil {
		return err
	}
	// Sidecars register their addresses here when they start. Those of an earlier run would direct calls to its ports.
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(dir, "data", "names.sqlite"+suffix))
	}
	if err := renameTimers(filepath.Join(dir, "scheduler")); err != nil {
		return err
	}
	if err := s.linkPrograms(); err != nil {
		return err
	}
	generated, err := secrets.Generate(dir)
	if err != nil {
		return err
	}
	if s.opts.Secure {
		// The directory has the key of the authority.
		if err := os.MkdirAll(issuerDir(s.opts), 0o700); err != nil {
			return err
		}
	}
	if err := s.chooseTracing(); err != nil {
		return err
	}
	if err := s.writeConfigurations(); err != nil {
		return err
	}
	if err := runfile.WriteJoined(s.opts); err != nil {
		return err
	}
	if err := s.prepareEnvironments(generated); err != nil {
		return err
	}
	if s.opts.BackingOnly {
		if err := s.file.WriteTye(dir, s.opts.PortBase); err != nil {
			return err
		}
	}
	return s.file.Write(runfile.Rendered(dir))
}

// writeConfigurations writes the configurations of the sidecars.
func (s *Shop) writeConfigurations() error {
	settings := runfile.Configuration{Secure: s.opts.Secure, Traced: tracing(s.tracing), Joined: s.opts.Joined}
	return s.file.WriteConfigurations(s.opts.Root, s.opts.RunDir, settings)
}

// rotateLogs keeps the logs of the last run and removes older ones.
func rotateLogs(dir string) error {
	for _, d := range []string{"logs", filepath.Join(".dapr", "logs")} {
		now, before := filepath.Join(dir, d), filepath.Join(dir, d+".previous")
		if err := os.RemoveAll(before); err != nil {
			return err
		}
		if err := os.Rename(now, before); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.MkdirAll(now, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// renameTimers keeps the timers of a shop that was last started when its scheduler had another id: the scheduler stores
// them in a directory of its name.
func renameTimers(data string) error {
	before, now := filepath.Join(data, "default-scheduler"), filepath.Join(data, "default-"+controlplane.SchedulerID)
	if _, err := os.Stat(now); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(before, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// linkPrograms makes the paths ./bin/<app> and ./tools/bin/dapr valid in the run directory.
func (s *Shop) linkPrograms() error {
	links := map[string]string{"tools": s.tools.RuntimePath}
	if bin := toolchain.BinDir(s.opts.Root, s.opts.Tags...); filepath.Dir(bin) != s.opts.RunDir {
		links["bin"] = bin
	}
	for name, target := range links {
		link := filepath.Join(s.opts.RunDir, name)
		if err := os.RemoveAll(link); err != nil {
			return err
		}
		if target == "" {
			continue
		}
		if err := os.Symlink(target, link); err != nil {
			return err
		}
	}
	return nil
}
