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
	return ensureJars(ctx, jars{name: "kafka", size: "43 MB", pom: filepath.Join(root, "deploy", "infra", "pom.xml")}, log)
}

// EnsureOpenSearch returns the directory of the jars of OpenSearch and of the class Node, which starts it, in the
// user's cache: both at the version of deploy/observability/opensearch.
func EnsureOpenSearch(ctx context.Context, root string, log io.Writer) (string, error) {
	dir := filepath.Join(root, "deploy", "observability", "opensearch")
	return ensureJars(ctx, jars{
		name: "opensearch", size: "45 MB", pom: filepath.Join(dir, "pom.xml"), source: filepath.Join(dir, "Node.java"),
	}, log)
}

// jars are a Java program from Maven Central.
type jars struct {
	name, size string
	pom        string
	source     string // a Java file to compile with the jars; empty for none
}

// ensureJars returns the directory of a program, which it downloads if the cache does not have it.
func ensureJars(ctx context.Context, j jars, log io.Writer) (string, error) {
	sum := sha256.New()
	for _, path := range []string{j.pom, j.source} {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, j.name, hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	mvn, err := Installed("mvn", "maven")
	if err != nil {
		return "", err
	}
	javac := ""
	if j.source != "" {
		if javac, err = Installed("javac", "default-jdk-headless"); err != nil {
			return "", err
		}
	}
	if err := MakeDir(filepath.Dir(dir)); err != nil {
		return "", err
	}
	lock := flock.New(dir + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for the jars of %s: %w", j.name, err)
	}
	defer func() { _ = lock.Unlock() }()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // another process has downloaded them meanwhile
	}
	fmt.Fprintf(log, "%s: downloading its jars into %s (once; %s)\n", j.name, dir, j.size)
	incomplete := dir + ".new"
	if err := os.RemoveAll(incomplete); err != nil {
		return "", err
	}
	err = process.Run(ctx, "", mvn, "-q", "-B", "-f", j.pom, "dependency:copy-dependencies",
		"-DoutputDirectory="+incomplete, "-DincludeScope=runtime")
	if err != nil {
		return "", fmt.Errorf("download the jars of %s: %w", j.name, err)
	}
	if j.source != "" {
		err := process.Run(ctx, "", javac, "-cp", filepath.Join(incomplete, "*"), "-d", incomplete, j.source)
		if err != nil {
			return "", fmt.Errorf("compile %s: %w", j.source, err)
		}
	}
	return dir, os.Rename(incomplete, dir)
}
