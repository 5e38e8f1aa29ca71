// Package checkout makes checkouts whose apps start fast, for tests of the launcher.
package checkout

import (
	"bytes"
	"os"
	"path/filepath"

	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/launch/toolchain"
)

// Make makes a checkout like this one in a new directory below temp, or below the system's for temporary files if temp
// is empty: with testdata/app for every app, and with one more choice of state store, which cannot work. Its apps and
// components are copies, which a test may change.
func Make(temp string) (string, error) {
	root, err := toolchain.FindRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(temp, "haberdash-launch-")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"dapr", "internal", "go.mod", "go.sum"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			return dir, err
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "components"), os.DirFS(filepath.Join(root, "components"))); err != nil {
		return dir, err
	}
	good, err := os.ReadFile(filepath.Join(dir, "components", "state", "sqlite", "state.yaml"))
	if err != nil {
		return dir, err
	}
	bad := bytes.Replace(good, []byte("file:data/"), []byte("file:no/such/directory/"), 1)
	file, err := runfile.Read(runfile.Source(root))
	if err != nil {
		return dir, err
	}
	source, err := os.ReadFile(filepath.Join(root, "dapr", "launch", "testdata", "app", "main.go"))
	if err != nil {
		return dir, err
	}
	write := map[string][]byte{"components/state/broken/state.yaml": bad}
	for _, a := range file.Apps {
		write["apps/"+a.AppID+"/main.go"] = source
	}
	for name, text := range write {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return dir, err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return dir, err
		}
	}
	return dir, nil
}
