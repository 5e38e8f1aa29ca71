package toolchain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const runtimeVersion = "1.18.1" // of github.com/dapr/dapr in dapr/local/go.mod

type tool struct {
	name, module, pkg, out string
	args                   []string
	components             []component // of a sidecar
}

// toolList lists the tools in the order in which they are built. The sidecar comes first: it takes longest, and the
// others reuse most of what it compiles.
func toolList(components []component) []tool {
	return []tool{
		sidecar(components, ""),
		{name: "placement", module: "dapr/local", pkg: "./placement", out: "bin/placement", args: stamped},
		{name: "scheduler", module: "dapr/local", pkg: "./scheduler", out: "bin/scheduler", args: stamped},
		{name: "sentry", module: "dapr/local", pkg: "./sentry", out: "bin/sentry", args: stamped},
		{name: "broker", module: "dapr/local", pkg: "./broker", out: "bin/broker", args: stripped},
		{name: "dapr", module: "dapr/local/cli", pkg: ".", out: "bin/dapr", args: stripped},
	}
}

// sidecar is a sidecar with some components, at the place below home where the dapr CLI finds it.
func sidecar(components []component, home string) tool {
	return tool{
		name: "daprd", module: "dapr/local", pkg: "./daprd", out: filepath.Join(home, ".dapr/bin/daprd"), args: stamped,
		components: components,
	}
}

var (
	stamped  = []string{"-ldflags", stamp}
	stripped = []string{"-ldflags", "-s -w"}
)

const stamp = "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=" + runtimeVersion +
	" -X github.com/dapr/kit/logger.DaprVersion=" + runtimeVersion

const officialHome = "official"

// officialSidecar is the daprd of Dapr, which only tests use.
func officialSidecar() tool {
	return tool{
		name: "the official daprd", module: "dapr/local", pkg: "github.com/dapr/dapr/cmd/daprd",
		out: officialHome + "/.dapr/bin/daprd", args: []string{"-tags", "stablecomponents", "-ldflags", stamp},
	}
}

// natsServer is a server for tests and `make infra`.
func natsServer() tool {
	return tool{
		name: "the NATS server", module: "dapr/local/nats", pkg: "github.com/nats-io/nats-server/v2",
		out: "bin/nats-server", args: stripped,
	}
}

// ToolsVersion is a digest of everything that the tools are built from.
func ToolsVersion(root string) (string, error) { return cacheKey(root) }

// cacheKey names the tools in the cache by everything that they are built from: the list above, the types of the
// components of the checkout, and the sources and versions in dapr/local.
func cacheKey(root string) (string, error) {
	own, _, err := neededComponents(root, nil)
	if err != nil {
		return "", err
	}
	var files []string
	base := filepath.Join(root, "dapr", "local")
	err = filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".go") || strings.HasPrefix(d.Name(), "go.")) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read the sources of the tools: %w", err)
	}
	sort.Strings(files)
	sum := sha256.New()
	for _, t := range toolList(nil) {
		fmt.Fprintln(sum, t.name, t.module, t.pkg, t.out, t.args)
	}
	fmt.Fprintln(sum, typesOf(own))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		rel, _ := filepath.Rel(base, f)
		fmt.Fprintf(sum, "%s %d\n", filepath.ToSlash(rel), len(b))
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}
