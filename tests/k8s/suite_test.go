package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A test that starts a shop or a sidecar of its own needs the programs of this machine, which the test of a cluster
// does not build.
func TestLocalTestsAreThoseThatStartAShop(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../e2e/*_test.go")
	require.NoError(t, err)
	var local []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") && startsPrograms(fn) {
				local = append(local, fn.Name.Name)
			}
		}
	}
	slices.Sort(local)
	listed := regexp.MustCompile(`Test\w+`).FindAllString(localTests, -1)
	slices.Sort(listed)
	require.NotEmpty(t, local)
	require.Equal(t, local, listed)
}

// starters are the functions of the end-to-end tests that start a shop or a sidecar.
var starters = []string{"startOwnShop", "startWatchedShop", "standalone", "joining"}

// startsPrograms reports whether a test uses what starts a shop or a sidecar.
func startsPrograms(test *ast.FuncDecl) (starts bool) {
	ast.Inspect(test, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && slices.Contains(starters, name.Name) {
			starts = true
		}
		return true
	})
	return starts
}
