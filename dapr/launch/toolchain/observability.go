package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// observability is the module of the dashboards; Jaeger has a module of its own in it.
const observability = "deploy/observability"

// EnsureJaeger returns the path of Jaeger at the version of deploy/observability/jaeger/go.mod, and builds it if the
// user's cache does not have it.
func EnsureJaeger(ctx context.Context, root string, log io.Writer) (string, error) {
	module := observability + "/jaeger"
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(text), text)
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "jaeger", hex.EncodeToString(sum.Sum(nil))[:16])
	jaeger := tool{
		name: "jaeger", module: module, pkg: "github.com/jaegertracing/jaeger/cmd/jaeger", out: "jaeger", args: stripped,
	}
	if err := buildTools(ctx, root, dir, []tool{jaeger}, log); err != nil {
		return "", err
	}
	prune(filepath.Dir(dir), dir)
	return filepath.Join(dir, jaeger.out), nil
}

// boardPackage is the page of the dashboards, in the module of deploy/observability.
const boardPackage = "./cmd/board"

// BuildBoard builds the program that serves the dashboards, and returns its path.
func BuildBoard(ctx context.Context, root string, log io.Writer) (string, error) {
	name := filepath.Base(boardPackage)
	err := buildModule(ctx, root, observability, BinDir(root), name, log, boardPackage)
	return filepath.Join(BinDir(root), name), err
}
