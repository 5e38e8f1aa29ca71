// Package fieldtest reads the names of package field from its source, for tests that compare them with other lists.
package fieldtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Names returns the names of the fields of a log line by the names of their constants. root is the root of the module.
func Names(t testing.TB, root string) map[string]string {
	t.Helper()
	path := filepath.Join(root, "internal", "telemetry", "field", "field.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	names := map[string]string{}
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST || !group.Lparen.IsValid() { // ECSVersion stands alone
			continue
		}
		for _, s := range group.Specs {
			spec := s.(*ast.ValueSpec)
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			names[spec.Names[0].Name] = value
		}
	}
	require.Greater(t, len(names), 20)
	return names
}
