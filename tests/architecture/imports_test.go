// Package architecture holds the rules of the design that a compiler does not.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "haberdash/"

// imports maps each package folder of the root module to what its files, tests left out, import.
func imports(t *testing.T) map[string][]string {
	root := filepath.Join("..", "..")
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "dapr/local" || (strings.HasPrefix(d.Name(), ".") && rel != ".") {
				return filepath.SkipDir // a module of its own; state and git
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := rel[:strings.LastIndex(rel, "/")+1]
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			found[dir] = append(found[dir], name)
		}
		return nil
	})
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return found
}

func service(dir string) string {
	rest, ok := strings.CutPrefix(dir, "apps/")
	if !ok {
		return ""
	}
	return rest[:strings.Index(rest, "/")]
}

func TestServicesDoNotImportEachOther(t *testing.T) {
	t.Parallel()
	for dir, names := range imports(t) {
		for _, name := range names {
			if other := service(strings.TrimPrefix(name, module) + "/"); strings.HasPrefix(name, module+"apps/") && other != service(dir) {
				t.Errorf("%s imports %s: what crosses a boundary stands in internal/contract", dir, name)
			}
		}
	}
}

func TestOnlyTheAdapterImportsDapr(t *testing.T) {
	t.Parallel()
	for dir, names := range imports(t) {
		for _, name := range names {
			if strings.HasPrefix(name, "github.com/dapr/") && !strings.HasPrefix(dir, "internal/sidecar/") {
				t.Errorf("%s imports %s: use a port of internal/sidecar", dir, name)
			}
		}
	}
}

// The domain knows no HTTP, no Dapr and no clock of its own.
func TestTheDomainPointsInwards(t *testing.T) {
	t.Parallel()
	forbidden := []string{"net/http", "github.com/danielgtaylor/huma", "github.com/go-chi", module + "internal/httpx",
		module + "internal/host", module + "internal/sidecar/daprd", module + "internal/identity"}
	for dir, names := range imports(t) {
		if !strings.Contains(dir, "/internal/") || service(dir) == "" {
			continue
		}
		for _, name := range names {
			for _, f := range forbidden {
				if name == f || strings.HasPrefix(name, f+"/") {
					t.Errorf("%s imports %s: the domain has no edge", dir, name)
				}
			}
			if strings.HasPrefix(name, module+"apps/") && strings.HasSuffix(name, "/service") {
				t.Errorf("%s imports %s: dependencies point inwards", dir, name)
			}
		}
	}
}

// The foundations do not know who stands on them.
func TestFoundationsDoNotImportServices(t *testing.T) {
	t.Parallel()
	for dir, names := range imports(t) {
		for _, name := range names {
			if strings.HasPrefix(dir, "internal/") && strings.HasPrefix(name, module+"apps/") {
				t.Errorf("%s imports %s", dir, name)
			}
		}
	}
}
