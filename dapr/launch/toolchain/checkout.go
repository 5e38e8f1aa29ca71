package toolchain

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// FindRoot returns the checkout: the nearest parent of the working directory with the go.mod of module haberdash.
func FindRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module haberdash\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside a Haberdash checkout: " +
				"no go.mod of module haberdash in this directory or above")
		}
		dir = up
	}
}

// Directories returns the absolute paths of a checkout and of a run directory. Without root, it finds the checkout;
// without runDir, that is the directory runDirIn below the checkout.
func Directories(root, runDir, runDirIn string) (absRoot, absRunDir string, err error) {
	if root == "" {
		if root, err = FindRoot(); err != nil {
			return root, runDir, err
		}
	}
	if root, err = filepath.Abs(root); err != nil {
		return root, runDir, err
	}
	if runDir == "" {
		runDir = filepath.Join(root, runDirIn)
	}
	runDir, err = filepath.Abs(runDir)
	return root, runDir, err
}

// MakeDir creates a directory and checks that files can be created in it.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return fmt.Errorf("cannot write to %s: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".probe")
	if err != nil {
		return fmt.Errorf("cannot write to %s: %w", dir, errors.Unwrap(err))
	}
	probe.Close()
	return os.Remove(probe.Name())
}

// Installed returns the path of a program of the system. If the program is missing, the error names the Debian package
// that has it.
func Installed(name, debianPackage string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s is missing: install it (on Debian: apt-get install %s)", name, debianPackage)
}
