package main

import (
	"go/ast"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"haberdash/dapr/launch/runfile"
)

// secretsOf returns the names of the secrets that an app reads: the second argument of each call of a method Secret. A
// name that it cannot read is an error.
func secretsOf(root, app string) (names []string, err error) {
	err = inspect(root, app, func(s *source, in *ast.FuncDecl, n ast.Node) {
		if c, ok := n.(*ast.CallExpr); ok && len(c.Args) == 2 && strings.HasSuffix(name(c.Fun), ".Secret") {
			names = append(names, s.text(in, c.Args[1]))
		}
	})
	return sorted(names), err
}

// setByLauncher are the variables that an app gets from the launcher or from `dapr run`, whatever the environment has.
var setByLauncher = []string{"APP_PORT", "DAPR_HTTP_PORT", "DAPR_GRPC_PORT", runfile.AppToken, runfile.SidecarToken}

// settingsOf returns the names of the variables that an app reads from its environment: those in the tags of its
// configuration (see host.Configure).
func settingsOf(root, app string) (names []string, err error) {
	err = inspect(root, app, func(_ *source, _ *ast.FuncDecl, n ast.Node) {
		field, ok := n.(*ast.Field)
		if !ok || field.Tag == nil {
			return
		}
		tag, _ := strconv.Unquote(field.Tag.Value) // the parser has checked it
		variable, _, _ := strings.Cut(reflect.StructTag(tag).Get("env"), ",")
		if variable != "" && !slices.Contains(setByLauncher, variable) {
			names = append(names, variable)
		}
	})
	return sorted(names), err
}

// inspect visits the code of an app. in is the function around a node; nil outside of functions.
func inspect(root, app string, visit func(s *source, in *ast.FuncDecl, n ast.Node)) error {
	folders, err := foldersOf(root, app)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		s, err := readSource(folder)
		if err != nil {
			return err
		}
		for _, file := range s.files {
			for _, d := range file.Decls {
				in, _ := d.(*ast.FuncDecl)
				ast.Inspect(d, func(n ast.Node) bool {
					visit(s, in, n)
					return true
				})
			}
		}
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
