package toolchain

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"gopkg.in/yaml.v3"
)

// Dapr's own builds of the sidecar register all stable components, or all. They come from files of one package, most of
// them with one component. The sidecar of a local shop is built from those files that register the components which the
// shop names, so it is smaller and built sooner. The overlay of the go command adds the files to the package
// dapr/local/daprd: nothing is written into the checkout.
const (
	daprModule     = "github.com/dapr/dapr"
	daprComponents = daprModule + "/cmd/daprd/components" // registers all of them, in its files' functions init
	daprApp        = daprModule + "/cmd/daprd/app"        // imports daprComponents
	localDaprd     = "haberdash/dapr/local/daprd"
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

// component is a component that a file describes.
type component struct{ kind, name, file string } // kind is its type, such as state.redis

// componentsIn reads the components of folders.
func componentsIn(folders ...string) (list []component, err error) {
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			found, err := componentsOf(file, text)
			if err != nil {
				return nil, err
			}
			list = append(list, found...)
		}
	}
	return list, nil
}

func componentsOf(file string, text []byte) (list []component, err error) {
	documents := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var d struct {
			Kind     string
			Metadata struct{ Name string }
			Spec     struct{ Type string }
		}
		switch err := documents.Decode(&d); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, fmt.Errorf("%s: %w", file, err)
		case d.Kind == "Component":
			list = append(list, component{strings.ToLower(d.Spec.Type), d.Metadata.Name, file})
		}
	}
}

// neededComponents returns one component for each type that a sidecar needs: own are those of the checkout's folders
// of components, others those that only the given folders have.
func neededComponents(root string, folders []string) (own, others []component, err error) {
	ofCheckout, err := filepath.Glob(filepath.Join(root, "components", "*", "*"))
	if err != nil {
		return nil, nil, err
	}
	if own, err = componentsIn(ofCheckout...); err != nil {
		return nil, nil, err
	}
	if others, err = componentsIn(folders...); err != nil {
		return nil, nil, err
	}
	sort := func(list []component) []component {
		slices.SortStableFunc(list, func(a, b component) int { return strings.Compare(a.kind, b.kind) })
		return slices.CompactFunc(list, func(a, b component) bool { return a.kind == b.kind })
	}
	own = sort(own)
	others = slices.DeleteFunc(sort(others), func(c component) bool {
		return slices.ContainsFunc(own, func(o component) bool { return o.kind == c.kind })
	})
	return own, others, nil
}

func typesOf(list []component) (types []string) {
	for _, c := range list {
		types = append(types, c.kind)
	}
	return types
}

// overlay writes the files of a sidecar with some components into a directory, and returns the path of the file for the
// flag -overlay of the go command.
func overlay(root, module, dir string, wanted []component) (string, error) {
	all, err := readCatalogue(module)
	if err != nil {
		return "", err
	}
	files, err := all.files(wanted)
	if err != nil {
		return "", err
	}
	sidecar := filepath.Join(root, "dapr", "local", "daprd")
	replace := map[string]string{}
	add := func(from, to string, change func([]byte) []byte) error {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		copied := filepath.Join(dir, strings.ReplaceAll(to, string(filepath.Separator), "-"))
		replace[filepath.Join(sidecar, to)] = copied
		return os.WriteFile(copied, change(text), 0o600)
	}
	for _, file := range files {
		err = errors.Join(err, add(file, filepath.Join("components", filepath.Base(file)), withoutConstraint))
	}
	app := filepath.Join(module, "cmd", "daprd", "app", "app.go")
	main := filepath.Join(sidecar, "main.go")
	err = errors.Join(err,
		add(app, filepath.Join("app", "app.go"), func(text []byte) []byte {
			return replaceImport(text, daprComponents, localDaprd+"/components")
		}),
		add(main, "main.go", func(text []byte) []byte {
			return replaceImport(text, daprApp, localDaprd+"/app")
		}))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o600)
}

func replaceImport(text []byte, from, to string) []byte {
	return bytes.ReplaceAll(text, []byte(strconv.Quote(from)), []byte(strconv.Quote(to)))
}

// withoutConstraint removes the line by which Dapr builds a file only into some of its sidecars.
func withoutConstraint(text []byte) []byte {
	var kept [][]byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte("//go:build ")) {
			kept = append(kept, line)
		}
	}
	return bytes.Join(kept, nil)
}

// moduleDir returns the directory with the source of a module that a module of the checkout needs, and downloads it
// first if necessary.
func moduleDir(ctx context.Context, dir, module string) (string, error) {
	cmd, err := goCommand(ctx, dir, "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	var found struct{ Dir, Error string }
	if json.Unmarshal(out, &found) == nil && found.Dir != "" {
		return found.Dir, nil
	}
	return "", errors.Join(fmt.Errorf("the source of %s: %s%s", module, found.Error, failed.String()), err)
}
