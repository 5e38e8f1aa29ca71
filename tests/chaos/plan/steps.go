package plan

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
)

// Steps returns the names of all steps at which a process may be killed, sorted. It reads them from the source code of
// the services: they are the constants in the files failpoints.go in apps/<service>/service. A new step is therefore
// tested without a change here. root is the root of the repository.
func Steps(root string) (steps []string, err error) {
	var files []string
	err = filepath.WalkDir(filepath.Join(root, "apps"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "failpoints.go" {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no file failpoints.go in %s: %w", filepath.Join(root, "apps"), err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			for i := 0; is && i < len(spec.Values); i++ {
				if text, is := spec.Values[i].(*ast.BasicLit); is && text.Kind == token.STRING {
					step, _ := strconv.Unquote(text.Value)
					steps = append(steps, step)
				}
			}
			return true
		})
	}
	slices.Sort(steps)
	return steps, nil
}
