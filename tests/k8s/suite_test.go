package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A test that starts a shop of its own needs the programs of this machine, which the test of a cluster does not build.
func TestLocalTestsAreThoseThatStartAShop(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../e2e/*_test.go")
	require.NoError(t, err)
	local, found := regexp.MustCompile(localTests), 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Test") || !startsAShop(fn) || fn.Name.Name == "TestMain" {
				continue
			}
			found++
			require.Regexp(t, local, fn.Name.Name)
		}
	}
	require.Positive(t, found)
}

// startsAShop reports whether a function calls launch.Start.
func startsAShop(fn *ast.FuncDecl) (starts bool) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if s, ok := call.Fun.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "launch" && s.Sel.Name == "Start" {
					starts = true
				}
			}
		}
		return true
	})
	return starts
}
