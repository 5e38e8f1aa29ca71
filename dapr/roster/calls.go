package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"haberdash/internal/roster"
)

// call is the call of an operation of an app. A part of the path that is not constant is a *.
type call struct{ callee, method, path string }

// callsOf reads from the sources which operations of other apps an app calls, and adds what follows from the roster:
// the feeds that the app follows and, for the gateway, the addresses that it routes. An expression that it cannot read
// is an error: write the call so that its target can be read, or extend this reader.
func callsOf(root, app string) (list []call, err error) {
	if app == roster.Gateway {
		for _, callee := range roster.IDs() {
			for _, pattern := range roster.PublicPatterns(callee) {
				list = append(list, call{callee, "*", pattern})
			}
		}
	}
	for _, log := range roster.Get(app).Follows {
		list = append(list, call{log.App, "GET", "/feed/" + log.Name})
	}
	folders, err := foldersOf(root, app)
	for _, folder := range folders {
		found, readErr := readCalls(folder)
		list, err = append(list, found...), errors.Join(err, readErr)
	}
	return list, err
}

// foldersOf lists the folders with the code of an app: its own, and that of the host, which all services have.
func foldersOf(root, app string) (folders []string, err error) {
	folders = []string{filepath.Join(root, "internal", "host")}
	err = filepath.WalkDir(filepath.Join(root, "apps", app), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
		}
		return err
	})
	return folders, err
}

// source is the files of one package without tests.
type source struct {
	folder string
	files  []*ast.File
	err    error
}

// readSource reads the files of a package without tests.
func readSource(folder string) (*source, error) {
	s := &source{folder: folder}
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, file)
	}
	return s, nil
}

// readCalls finds sidecar.Call(ctx, invoker, app, method, path, …) and sidecar.Request{App, Method, Path} in a package.
func readCalls(folder string) (list []call, err error) {
	s, err := readSource(folder)
	if err != nil {
		return nil, err
	}
	s.functions(func(f *ast.FuncDecl) {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if name(n.Fun) == "sidecar.Call" {
					list = append(list, s.calls(f, n.Args[2], n.Args[3], n.Args[4])...)
				}
			case *ast.CompositeLit:
				if name(n.Type) == "sidecar.Request" {
					if m := members(n); !slices.Contains(elsewhere, name(m["App"])) {
						list = append(list, s.calls(f, m["App"], m["Method"], m["Path"])...)
					}
				}
			}
			return true
		})
	})
	return list, s.err
}

// callees are the apps that variables of these names stand for.
var callees = map[string][]string{"app": roster.Serving(), "follower": roster.Following(), "logger": roster.Logging()}

// elsewhere are the expressions of callees that other sources name: the gateway's proxy has the routes of the roster,
// and dapr/launch writes the rules of apps that have joined.
var elsewhere = []string{"t.app", "app.App"}

// calls reads one call: see callees.
func (s *source) calls(in *ast.FuncDecl, app, method, path ast.Expr) (list []call) {
	verb, ok := strings.CutPrefix(name(method), "http.Method")
	if !ok {
		s.fail("a call whose method is no constant of net/http")
	}
	called, several := callees[name(app)]
	if !several {
		called = []string{s.text(in, app)}
	}
	for _, callee := range called {
		list = append(list, call{callee, strings.ToUpper(verb), s.text(in, path)})
	}
	return list
}

func (s *source) fail(format string, args ...any) {
	s.err = errors.Join(s.err, fmt.Errorf("%s: %s", s.folder, fmt.Sprintf(format, args...)))
}

func (s *source) functions(visit func(*ast.FuncDecl)) {
	for _, file := range s.files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				visit(f)
			}
		}
	}
}

// text reads an expression as far as it is constant.
func (s *source) text(in *ast.FuncDecl, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if v, err := strconv.Unquote(e.Value); err == nil {
			return v
		}
	case *ast.BinaryExpr:
		return s.text(in, e.X) + s.text(in, e.Y)
	case *ast.SelectorExpr:
		if app, ok := appConstants[name(e)]; ok {
			return app
		}
	case *ast.CallExpr:
		if name(e.Fun) == "url.PathEscape" {
			return "*"
		}
		if f, result := s.returned(name(e.Fun)); result != nil {
			return s.text(f, result)
		}
	case *ast.Ident:
		if v := assigned(in, e.Name); v != nil {
			return s.text(in, v)
		}
		if v := s.variable(e.Name); v != nil {
			return s.text(in, v)
		}
	}
	s.fail("cannot read what is called: %T %s", e, name(e))
	return ""
}

// appConstants are the constants of internal/roster that name apps.
var appConstants = map[string]string{
	"roster.Gateway": roster.Gateway, "roster.Catalog": roster.Catalog, "roster.Cart": roster.Cart,
	"roster.Orders": roster.Orders, "roster.Users": roster.Users, "roster.Notifications": roster.Notifications,
	"roster.Watcher": roster.Watcher,
}

// returned finds the function of that name that consists of one return, and what it returns.
func (s *source) returned(function string) (f *ast.FuncDecl, result ast.Expr) {
	s.functions(func(d *ast.FuncDecl) {
		r, ok := d.Body.List[0].(*ast.ReturnStmt)
		if ok && d.Recv == nil && d.Name.Name == function && len(r.Results) == 1 {
			f, result = d, r.Results[0]
		}
	})
	return f, result
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

// variable returns the value of a variable or constant of the package.
func (s *source) variable(name string) ast.Expr {
	for _, file := range s.files {
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				if i := slices.IndexFunc(v.Names, func(n *ast.Ident) bool { return n.Name == name }); i >= 0 && i < len(v.Values) {
					return v.Values[i]
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

// name is an identifier, with its qualifier if it has one.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	}
	return ""
}
