// Command roster writes what the list of apps (internal/roster) decides into the YAML that repeats it: `make roster`.
// A test compares the files with what it would write.
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

// write writes the files below the root of the checkout that differ, and prints their names.
func write(root string) error {
	files, err := render(root)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.want == f.have {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, f.path), []byte(f.want), 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", f.path)
	}
	return nil
}
