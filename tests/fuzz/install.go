package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"haberdash/dapr/launch/toolchain"
)

// installSchemathesis returns the path of Schemathesis in the pinned version. It installs it once, into the user's
// cache.
func installSchemathesis(ctx context.Context, requirements string) (string, error) {
	text, err := os.ReadFile(requirements)
	if err != nil {
		return "", err
	}
	cache, err := toolchain.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	dir := filepath.Join(cache, "schemathesis", hex.EncodeToString(sum[:])[:16])
	program, done := filepath.Join(dir, "bin", "schemathesis"), filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for Schemathesis: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := os.Stat(done); err == nil {
		return program, nil // another process has installed it meanwhile
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("python3 is missing: install it with its venv module (Debian: python3-venv)")
	}
	fmt.Fprintf(os.Stderr, "installing Schemathesis into %s (once)\n", dir)
	// The programs in a venv contain its path, so it cannot be created elsewhere and then moved here.
	for _, args := range [][]string{
		{python, "-m", "venv", "--clear", dir},
		{filepath.Join(dir, "bin", "pip"),
			"install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements},
	} {
		command := exec.CommandContext(ctx, args[0], args[1:]...)
		if out, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	return program, os.WriteFile(done, nil, 0o644)
}
