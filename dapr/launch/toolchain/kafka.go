package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"haberdash/dapr/launch/process"
)

// EnsureKafka returns the directory of the jars of the Kafka server, at the version of deploy/infra/pom.xml, in the
// user's cache. Maven downloads them once.
func EnsureKafka(ctx context.Context, root string, log io.Writer) (string, error) {
	pom := filepath.Join(root, "deploy", "infra", "pom.xml")
	text, err := os.ReadFile(pom)
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	dir := filepath.Join(cache, "kafka", hex.EncodeToString(sum[:])[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	mvn, err := Installed("mvn", "maven")
	if err != nil {
		return "", err
	}
	if err := MakeDir(filepath.Dir(dir)); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for Kafka's jars: %w", err)
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process has downloaded them meanwhile
	}
	fmt.Fprintf(log, "kafka: downloading its jars into %s (once; 43 MB)\n", dir)
	if err := os.RemoveAll(dir + ".new"); err != nil {
		return "", err
	}
	err = process.Run(ctx, "", mvn, "-q", "-B", "-f", pom, "dependency:copy-dependencies",
		"-DoutputDirectory="+dir+".new", "-DincludeScope=runtime")
	if err != nil {
		return "", fmt.Errorf("download Kafka's jars: %w", err)
	}
	return dir, os.Rename(dir+".new", dir)
}
