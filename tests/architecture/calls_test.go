package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"haberdash/internal/roster"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// calls reads from the sources which operations of other apps each app calls, and adds what follows from the roster: the
// feeds that apps follow and the addresses that the gateway routes. An expression that it cannot read fails the test:
// write the call so that its target can be read, or extend this reader.
func calls(t *testing.T) rules {
	found := rules{}
	shared := sources(t, filepath.Join(root, "internal", "host")).calls() // every service makes these calls
	for _, app := range roster.Apps() {
		for _, c := range shared {
			c.from(app.ID, found)
		}
		err := filepath.WalkDir(filepath.Join(root, "apps", app.ID), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				for _, c := range sources(t, path).calls() {
					c.from(app.ID, found)
				}
			}
			return err
		})
		require.NoError(t, err)
		for _, log := range app.Follows {
			call{[]string{log.App}, "GET", "/feed/" + log.Name}.from(app.ID, found)
		}
		for _, pattern := range roster.PublicPatterns(app.ID) {
			call{[]string{app.ID}, "*", pattern}.from(roster.Gateway, found)
		}
	}
	return found
}

// call is the call of an operation of each of some apps. A part of the path that is not constant is a *.
type call struct {
	apps         []string
	method, path string
}

// from adds the call to the rules of its targets. An app's calls of itself do not leave its sidecar.
func (c call) from(caller string, to rules) {
	operation := c.path
	if i := strings.IndexAny(operation, "*{"); i >= 0 {
		operation = operation[:strings.LastIndex(operation[:i], "/")] + "/**" // no wildcard but the last matches
	}
	for _, app := range c.apps {
		if app != caller {
			to.allow(app, caller, operation, c.method)
		}
	}
}

// source is the files of one package without tests.
type source struct {
	t     *testing.T
	dir   string
	files []*ast.File
}

func sources(t *testing.T, dir string) source {
	s := source{t: t, dir: dir}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		s.files = append(s.files, file)
	}
	return s
}

// calls finds sidecar.Call(ctx, invoker, app, method, path, …) and sidecar.Request{App, Method, Path}.
func (s source) calls() (list []call) {
	s.functions(func(f *ast.FuncDecl) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if name(n.Fun) == "sidecar.Call" {
					list = append(list, call{s.app(n.Args[2]), s.method(n.Args[3]), s.text(f, n.Args[4])})
				}
			case *ast.CompositeLit:
				if name(n.Type) == "sidecar.Request" {
					if m := members(n); name(m["App"]) != "t.app" { // the gateway's proxy
						list = append(list, call{s.app(m["App"]), s.method(m["Method"]), s.text(f, m["Path"])})
					}
				}
			}
			return true
		})
	})
	return list
}

func (s source) functions(visit func(*ast.FuncDecl)) {
	for _, file := range s.files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				visit(f)
			}
		}
	}
}

// app returns the apps that are called: the named one, or, for a variable app, all that serve a public API.
func (s source) app(e ast.Expr) []string {
	if name(e) == "app" {
		return roster.Serving()
	}
	return []string{s.text(nil, e)}
}

func (s source) method(e ast.Expr) string {
	method, ok := strings.CutPrefix(name(e), "http.Method")
	require.True(s.t, ok, "%s: a call whose method is no constant of net/http", s.dir)
	return strings.ToUpper(method)
}

// text reads an expression as far as it is constant.
func (s source) text(in *ast.FuncDecl, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		v, err := strconv.Unquote(e.Value)
		require.NoError(s.t, err)
		return v
	case *ast.BinaryExpr:
		return s.text(in, e.X) + s.text(in, e.Y)
	case *ast.CallExpr:
		if name(e.Fun) == "url.PathEscape" {
			return "*"
		}
		var result ast.Expr
		s.functions(func(f *ast.FuncDecl) {
			if r, ok := f.Body.List[0].(*ast.ReturnStmt); ok && f.Recv == nil && f.Name.Name == name(e.Fun) && len(r.Results) == 1 {
				in, result = f, r.Results[0]
			}
		})
		if result != nil {
			return s.text(in, result)
		}
	case *ast.Ident:
		if v := assigned(in, e.Name); v != nil {
			return s.text(in, v)
		}
		if v := s.variable(e.Name); v != nil {
			return s.text(in, v)
		}
	}
	require.Fail(s.t, "cannot tell what is called", "%s: %T %s", s.dir, e, name(e))
	return ""
}

// assigned returns the value that a function assigns to a local variable, if it does so once.
func assigned(in *ast.FuncDecl, variable string) (value ast.Expr) {
	if in == nil {
		return nil
	}
	n := 0
	ast.Inspect(in, func(node ast.Node) bool {
		if a, ok := node.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			if i := slices.IndexFunc(a.Lhs, func(e ast.Expr) bool { return name(e) == variable }); i >= 0 {
				n, value = n+1, a.Rhs[i]
			}
		}
		return true
	})
	if n != 1 {
		return nil
	}
	return value
}

// variable is the value of a variable or constant of the package.
func (s source) variable(name string) ast.Expr {
	for _, file := range s.files {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for i, n := range v.Names {
						if n.Name == name && i < len(v.Values) {
							return v.Values[i]
						}
					}
				}
			}
		}
	}
	return nil
}

func members(lit *ast.CompositeLit) map[string]ast.Expr {
	m := map[string]ast.Expr{}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			m[name(kv.Key)] = kv.Value
		}
	}
	return m
}

// name is an identifier, qualified if it was written so.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	case *ast.ArrayType:
		return "[]" + name(e.Elt)
	}
	return ""
}
