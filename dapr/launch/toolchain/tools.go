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
}

// toolList lists the tools in the order in which they are built. The sidecar comes first: it takes longest, and the
// others reuse most of what it compiles.
func toolList() []tool {
	return []tool{
		{"daprd", "dapr/local", "./daprd", ".dapr/bin/daprd", []string{"-tags", "stablecomponents", "-ldflags", stamp}},
		{"placement", "dapr/local", "./placement", "bin/placement", []string{"-ldflags", stamp}},
		{"scheduler", "dapr/local", "./scheduler", "bin/scheduler", []string{"-ldflags", stamp}},
		{"sentry", "dapr/local", "./sentry", "bin/sentry", []string{"-ldflags", stamp}},
		{"broker", "dapr/local", "./broker", "bin/broker", []string{"-ldflags", "-s -w"}},
		{"dapr", "dapr/local/cli", ".", "bin/dapr", []string{"-ldflags", "-s -w"}},
	}
}

const stamp = "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=" + runtimeVersion +
	" -X github.com/dapr/kit/logger.DaprVersion=" + runtimeVersion

const officialHome = "official"

// officialSidecar is the daprd of Dapr, which only tests use.
func officialSidecar() tool {
	return tool{
		"the official daprd", "dapr/local", "github.com/dapr/dapr/cmd/daprd", officialHome + "/.dapr/bin/daprd",
		[]string{"-tags", "stablecomponents", "-ldflags", stamp},
	}
}

// ToolsVersion is a digest of everything that the tools are built from.
func ToolsVersion(root string) (string, error) { return cacheKey(root) }

// cacheKey names the tools in the cache by everything that they are built from: the list above, and the sources and
// versions in dapr/local.
func cacheKey(root string) (string, error) {
	var files []string
	base := filepath.Join(root, "dapr", "local")
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
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
	fmt.Fprintln(sum, toolList())
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
