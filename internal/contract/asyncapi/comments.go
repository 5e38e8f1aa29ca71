package asyncapi

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// comments has the comments of types by their names ("OrderFact") and of fields ("OrderFact.Number").
type comments map[string]string

// readComments reads the comments in the Go files of folders.
func readComments(folders ...string) (comments, error) {
	found := comments{}
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			found.addTypes(file)
		}
	}
	return found, nil
}

func (c comments) addTypes(file *ast.File) {
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			t := spec.(*ast.TypeSpec)
			if text := t.Doc.Text(); text != "" {
				c[t.Name.Name] = oneLine(text)
			} else if len(g.Specs) == 1 {
				c[t.Name.Name] = oneLine(g.Doc.Text())
			}
			if s, ok := t.Type.(*ast.StructType); ok {
				c.addFields(t.Name.Name, s)
			}
		}
	}
}

func (c comments) addFields(typeName string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			c[typeName+"."+name.Name] = oneLine(f.Doc.Text() + " " + f.Comment.Text())
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
