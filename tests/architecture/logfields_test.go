package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"haberdash/internal/telemetry/field/fieldtest"
)

// fieldMethods are the methods of zerolog that add a field. The first argument is its name.
var fieldMethods = func() map[string]bool {
	methods := map[string]bool{}
	for _, t := range []reflect.Type{reflect.TypeFor[*zerolog.Event](), reflect.TypeFor[zerolog.Context]()} {
		for m := range t.Methods() {
			if m.Type.NumIn() > 2 && m.Type.In(1).Kind() == reflect.String && m.Name != "Msgf" {
				methods[m.Name] = true
			}
		}
	}
	return methods
}()

// unnamed are the methods of zerolog that add fields whose names a reader of the code does not see.
var unnamed = map[string]bool{"Fields": true, "EmbedObject": true, "RawJSON": true}

// Log calls use only the names of internal/telemetry/field, and each of these names is used.
func TestLogCallsUseListedFields(t *testing.T) {
	t.Parallel()
	require.True(t, fieldMethods["Str"] && fieldMethods["Interface"] && fieldMethods["Dur"])
	names, used := fieldtest.Names(t, root), map[string]bool{}
	seen := map[string]string{}
	for constant, name := range names {
		require.Empty(t, seen[name], "%s and %s are both %s", constant, seen[name], name)
		seen[name] = constant
		require.Regexp(t, `^(@timestamp|message|[a-z_]+(\.[a-z_]+)+)$`, name)
	}
	for _, folder := range []string{"apps", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && isField(s) {
					used[s.Sel.Name] = true
				}
				if call, ok := n.(*ast.CallExpr); ok {
					checkLogCall(t, fset, call, names)
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	for _, byZerolog := range []string{"Timestamp", "Level", "Message", "Error"} {
		used[byZerolog] = true
	}
	for constant := range names {
		require.True(t, used[constant], "nothing logs field.%s", constant)
	}
}

// checkLogCall checks the name of the field that a call adds, if it is a call that adds one.
func checkLogCall(t *testing.T, fset *token.FileSet, call *ast.CallExpr, names map[string]string) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	if unnamed[method.Sel.Name] && len(call.Args) > 0 && !isPackage(method.X) {
		t.Errorf("%s: %s hides the names of fields", fset.Position(call.Pos()), method.Sel.Name)
	}
	if !fieldMethods[method.Sel.Name] || len(call.Args) < 2 || isPackage(method.X) {
		return
	}
	if arg, ok := call.Args[0].(*ast.SelectorExpr); ok && isField(arg) && names[arg.Sel.Name] != "" {
		return
	}
	t.Errorf("%s: the name of the field is no constant of internal/telemetry/field", fset.Position(call.Args[0].Pos()))
}

func isField(s *ast.SelectorExpr) bool {
	p, ok := s.X.(*ast.Ident)
	return ok && p.Name == "field"
}

// isPackage tells whether an expression is the name of a package whose functions have the same names as zerolog's.
func isPackage(x ast.Expr) bool {
	p, ok := x.(*ast.Ident)
	return ok && (p.Name == "strings" || p.Name == "bytes")
}
