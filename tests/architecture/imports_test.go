// Package architecture checks the rules of the design that the compiler does not check. docs/architecture.md explains
// the rules.
package architecture

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "haberdash/"

var root = filepath.Join("..", "..")

// imports returns the imports of each package of the root module by its folder, without those of tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "dapr/local" || (strings.HasPrefix(d.Name(), ".") && rel != ".") {
				return filepath.SkipDir // another module; .run and .git
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

// service returns the service that a folder or an import path belongs to, or nothing.
func service(path string) string {
	rest, ok := strings.CutPrefix(path, "apps/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestServicesDoNotImportEachOther(t *testing.T) {
	t.Parallel()
	for dir, names := range imports(t) {
		for _, name := range names {
			if other := service(strings.TrimPrefix(name, module)); other != "" && other != service(dir) {
				t.Errorf("%s imports %s: types that services share belong to internal/contract", dir, name)
			}
		}
	}
}

func TestOnlyTheAdaptersImportDapr(t *testing.T) {
	t.Parallel()
	for dir, names := range imports(t) {
		for _, name := range names {
			if strings.HasPrefix(name, "github.com/dapr/") && !strings.HasPrefix(dir, "internal/sidecar/") {
				t.Errorf("%s imports %s: use a port of internal/sidecar", dir, name)
			}
		}
	}
}

// domainMayImport lists the packages that the domain (apps/<service>/internal) may import, besides itself and the
// standard library:
//
//   - money, emailaddress and fault, and seal, which encrypts values;
//   - commitlog and its projection, on which the aggregates and read models of a service with a log are built;
//   - contract, whose types and event names cross the boundary of the service.
//
// DESIGN.md says the same in section 2.
var domainMayImport = []string{
	module + "internal/money",
	module + "internal/emailaddress",
	module + "internal/fault",
	module + "internal/seal",
	module + "internal/commitlog",
	module + "internal/commitlog/projection",
	module + "internal/contract",
}

// domainLibraries are the libraries that the domain may use. They only compute: they have no input and output.
var domainLibraries = []string{
	"golang.org/x/text/",
}

// domainMayNotImport lists the packages of the standard library that only the edge may use.
var domainMayNotImport = []string{"net/http", "net/http/httptest", "os", "os/exec", "database/sql", "log", "log/slog"}

func TestDomainImportsOnlyAllowedPackages(t *testing.T) {
	t.Parallel()
	for dir, names := range imports(t) {
		if service(dir) == "" || !strings.Contains(dir, "/internal/") || strings.HasSuffix(dir, "test/") {
			continue // not the domain, or a conformance suite, whose name ends in test
		}
		own := module + "apps/" + service(dir) + "/internal/"
		for _, name := range names {
			if !allowedInDomain(own, name) {
				t.Errorf("%s imports %s, which the domain may not import", dir, name)
			}
		}
	}
}

func allowedInDomain(own, name string) bool {
	switch {
	case strings.HasPrefix(name, own), slices.Contains(domainMayImport, name):
		return true
	case slices.ContainsFunc(domainLibraries, func(l string) bool { return strings.HasPrefix(name, l) }):
		return true
	case strings.HasPrefix(name, module):
		return false
	}
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".") && !slices.Contains(domainMayNotImport, name)
}

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
