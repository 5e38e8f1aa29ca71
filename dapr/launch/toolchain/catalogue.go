package toolchain

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// catalogue lists Dapr's types of components: by type, such as state.redis, the files that register it.
type catalogue map[string][]string

// readCatalogue reads it from the source of Dapr.
func readCatalogue(module string) (catalogue, error) {
	files, err := filepath.Glob(filepath.Join(module, "cmd", "daprd", "components", "*.go"))
	if err != nil {
		return nil, err
	}
	c := catalogue{}
	for _, file := range files {
		types, err := registeredTypes(file)
		if err != nil {
			return nil, err
		}
		for _, t := range types {
			c[t] = append(c[t], file)
		}
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("%s registers no components", daprComponents)
	}
	return c, nil
}

// registeredTypes returns the types that a file registers, such as state.redis for
// stateLoader.DefaultRegistry.RegisterComponent(redis.NewRedisStateStore, "redis").
func registeredTypes(file string) (types []string, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return nil, err
	}
	imports := map[string]string{} // by name in the file
	for _, i := range parsed.Imports {
		importPath, _ := strconv.Unquote(i.Path.Value)
		name := path.Base(importPath)
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = importPath
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, isCall := n.(*ast.CallExpr)
		if !isCall {
			return true
		}
		kind, registers := registry(call.Fun, imports)
		if !registers {
			return true
		}
		for _, argument := range call.Args {
			if literal, isLiteral := argument.(*ast.BasicLit); isLiteral && literal.Kind == token.STRING {
				name, _ := strconv.Unquote(literal.Value)
				name, _, _ = strings.Cut(name, "/") // of a version
				types = append(types, kind+"."+name)
			}
		}
		return true
	})
	slices.Sort(types)
	return slices.Compact(types), nil
}

// registry returns the kind of the components that a method such as stateLoader.DefaultRegistry.RegisterComponent
// registers: state.
func registry(method ast.Expr, imports map[string]string) (kind string, registers bool) {
	selector, isSelector := method.(*ast.SelectorExpr)
	if !isSelector || !strings.HasPrefix(selector.Sel.Name, "Register") {
		return "", false
	}
	registry, isSelector := selector.X.(*ast.SelectorExpr)
	if !isSelector || registry.Sel.Name != "DefaultRegistry" {
		return "", false
	}
	loader, isName := registry.X.(*ast.Ident)
	if !isName {
		return "", false
	}
	kind, found := strings.CutPrefix(imports[loader.Name], daprModule+"/pkg/components/")
	return strings.ReplaceAll(kind, "/", "."), found
}

// files returns the files that register the types of components. The error for an unknown type names those that come
// near.
func (c catalogue) files(wanted []component) (files []string, err error) {
	for _, w := range wanted {
		found := c[w.kind]
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: the component %s has the type %q, which Dapr %s does not have: nearest are %s",
				w.file, w.name, w.kind, runtimeVersion, strings.Join(c.nearest(w.kind), ", "))
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// nearby is how many types an error proposes for one that does not exist.
const nearby = 3

// nearest returns the types that are most like the wanted one: of the same kind, such as state, if that has any.
func (c catalogue) nearest(wanted string) []string {
	kind, _, _ := strings.Cut(wanted, ".")
	all := slices.Collect(maps.Keys(c))
	list := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.HasPrefix(name, kind+".") })
	if len(list) == 0 {
		list = all
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(levenshtein.ComputeDistance(wanted, a)-levenshtein.ComputeDistance(wanted, b), strings.Compare(a, b))
	})
	return list[:min(nearby, len(list))]
}
