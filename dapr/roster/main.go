// Command roster updates the YAML files that repeat the list of apps (internal/roster). `make roster` runs it, and a
// test fails if a file differs from what it would write.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "roster:", err)
		os.Exit(1)
	}
}

// write writes those files below the root of the checkout that differ, and prints their names.
func write(root string) error {
	files, err := render(root)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.want == f.have {
			continue
		}
		path := filepath.Join(root, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(f.want), 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", f.path)
	}
	return nil
}
