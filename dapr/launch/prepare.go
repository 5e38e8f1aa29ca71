package launch

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// dataDirs hold what `clean` removes and `down` keeps.
var dataDirs = []string{"data", "mail", "broker", "scheduler"}

// generated are secrets that a local shop makes for itself: at first start, or at every start.
var generated = map[string]bool{
	"APP_API_TOKEN":      true,  // sidecar and app prove themselves to each other with it
	"ID_KEY":             false, // ids are derived with it, so it stays as long as the data
	"KEY_ENCRYPTION_KEY": false, // signing keys are sealed with it
}

func secretsPath(runDir string) string { return filepath.Join(runDir, "secrets.env") }

// prepare lays out the run directory and makes up the environment.
func (s *Shop) prepare(mark string) error {
	dir := s.opts.RunDir
	for _, d := range append([]string{"logs"}, dataDirs...) {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	// Logs of the run before are kept, older ones are not.
	for _, d := range []string{"logs", filepath.Join(".dapr", "logs")} {
		now, before := filepath.Join(dir, d), filepath.Join(dir, d+".previous")
		if err := os.RemoveAll(before); err != nil {
			return err
		}
		if err := os.Rename(now, before); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.MkdirAll(now, 0o755); err != nil {
			return err
		}
	}
	// Sidecars register here at start; what an earlier run left would send calls to its ports.
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(filepath.Join(dir, "data", "names.sqlite"+suffix))
	}
	if err := keepTimers(filepath.Join(dir, "scheduler")); err != nil {
		return err
	}
	if err := s.linkPrograms(); err != nil {
		return err
	}
	secrets, err := makeSecrets(secretsPath(dir))
	if err != nil {
		return err
	}
	if s.opts.Secure {
		if err := s.writeConfigurations(); err != nil {
			return err
		}
	}
	vars := s.environment(secrets)
	if err := writeVars(filepath.Join(dir, "env"), vars); err != nil {
		return err
	}
	vars[markVariable] = mark
	s.env = withEnv(s.inherited(), vars)
	return s.file.write(filepath.Join(dir, "apps.yaml"))
}

// keepTimers finds the timers of a shop from before its scheduler had the name that sentry certifies: they lie in a
// folder of that name.
func keepTimers(data string) error {
	before, now := filepath.Join(data, "default-scheduler"), filepath.Join(data, "default-"+schedulerID)
	if _, err := os.Stat(now); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(before, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// linkPrograms makes ./bin/<app> and ./tools/bin/dapr valid in the run directory.
func (s *Shop) linkPrograms() error {
	links := map[string]string{"tools": s.tools.RuntimePath}
	if bin := binDir(s.opts.Root, s.opts.Tags...); filepath.Dir(bin) != s.opts.RunDir {
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

// environment is what sidecars and apps get beyond the user's own variables.
func (s *Shop) environment(secrets map[string]string) map[string]string {
	vars := map[string]string{"MAIL": s.opts.Mail} // notifications composes for its binding
	if s.tools.RuntimePath != "" {
		vars["DAPR_RUNTIME_PATH"] = s.tools.RuntimePath
	}
	maps.Copy(vars, s.opts.trust().vars())
	maps.Copy(vars, s.supplied)
	for k, v := range secrets {
		vars[k] = v
	}
	for k, v := range s.opts.Env {
		vars[k] = v
	}
	return vars
}

// inherited is this process's environment without what would steer a sidecar by accident.
func (s *Shop) inherited() []string {
	var out []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(kv, "DAPR_") && !s.opts.System || strings.HasPrefix(kv, "APP_") ||
			name == sentryVariable || name == anchorsVariable {
			continue
		}
		out = append(out, kv)
	}
	return out
}

// makeSecrets reads the run directory's secrets and adds or renews those that are due.
func makeSecrets(path string) (map[string]string, error) {
	vars, err := readVars(path)
	if err != nil {
		return nil, err
	}
	for name, renew := range generated {
		if vars[name] == "" || renew {
			vars[name] = newID() + newID()
		}
	}
	return vars, writeVars(path, vars)
}

// SecretPrints are fingerprints of the secrets that a run directory's data depends on, by name; a secret that is not
// there yet is left out. They tell equal secrets from others, and nothing of what a secret is.
func SecretPrints(runDir string) (map[string]string, error) {
	vars, err := readVars(secretsPath(runDir))
	prints := map[string]string{}
	for name, renewed := range generated {
		if renewed || vars[name] == "" {
			continue
		}
		h := hmac.New(sha256.New, []byte(vars[name]))
		h.Write([]byte("haberdash fingerprint of " + name))
		prints[name] = hex.EncodeToString(h.Sum(nil)[:8])
	}
	return prints, err
}

func readVars(path string) (map[string]string, error) {
	vars := map[string]string{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return vars, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), "="); ok {
			vars[k] = v
		}
	}
	return vars, lines.Err()
}

// writeVars writes NAME=value lines that a shell can read too, for the owner's eyes only.
func writeVars(path string, vars map[string]string) error {
	var b strings.Builder
	for _, k := range sortedKeys(vars) {
		fmt.Fprintf(&b, "%s=%s\n", k, vars[k])
	}
	if err := os.WriteFile(path+".new", []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
