// Command observability writes the files that Prometheus, Grafana and the pages of runbooks have in common, from the
// definitions in boards and rules: `go run .` in this folder. A test fails if a file differs from what it would write.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"haberdash/deploy/observability/grafana"
	"haberdash/deploy/observability/rules"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

// write writes the files below a folder, and prints the names of those that change.
func write(dir string) error {
	files, err := render()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == string(files[name]) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", name)
	}
	return nil
}

// render returns the content of all files, by their paths below this folder.
func render() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, part := range []func() (map[string][]byte, error){
		rules.Render, rules.Index, rules.Operator, grafana.Render, targets,
	} {
		some, err := part()
		if err != nil {
			return nil, err
		}
		maps.Copy(files, some)
	}
	files["kustomization.yaml"] = kustomization(files)
	return files, nil
}
