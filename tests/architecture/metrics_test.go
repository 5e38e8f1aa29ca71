package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/tests/metricsdoc"
)

// metricName matches the name of a metric in a string of the source code.
var metricName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// declaredMetrics returns the names of the metrics that the source code declares: the field Name of
// prometheus.…Opts, the first argument of prometheus.NewDesc, and the field Metric of a struct that passes a name on.
// mentioned has all strings that may be names of metrics, such as those that a function declares by an argument.
func declaredMetrics(t *testing.T) (declared []string, mentioned map[string]bool) {
	t.Helper()
	names := map[string]bool{}
	mentioned = map[string]bool{}
	note := func(to map[string]bool, e ast.Node) {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if name, _ := strconv.Unquote(literal.Value); metricName.MatchString(name) {
				to[name] = true
			}
		}
	}
	add := func(e ast.Expr) { note(names, e) }
	for _, folder := range []string{"apps", "internal"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				note(mentioned, n)
				switch n := n.(type) {
				case *ast.CompositeLit:
					options := strings.HasSuffix(selected(n.Type, "prometheus"), "Opts")
					for _, element := range n.Elts {
						if pair, ok := element.(*ast.KeyValueExpr); ok {
							if key, _ := pair.Key.(*ast.Ident); key != nil && (key.Name == "Metric" || options && key.Name == "Name") {
								add(pair.Value)
							}
						}
					}
				case *ast.CallExpr:
					if selected(n.Fun, "prometheus") == "NewDesc" {
						add(n.Args[0])
					}
				}
				return true
			})
			return nil
		}))
	}
	return slices.Sorted(maps.Keys(names)), mentioned
}

// selected returns the name that an expression selects from a package, "" if it is another expression.
func selected(e ast.Expr, pkg string) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
			return s.Sel.Name
		}
	}
	return ""
}

// Every metric that the source code declares stands in docs/metrics.md, and the other way round.
func TestMetricsStandInTheDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	require.NoError(t, err)
	documented, err := metricsdoc.Parse(page)
	require.NoError(t, err)
	declared, mentioned := declaredMetrics(t)
	require.Greater(t, len(declared), 15)
	for _, name := range declared {
		require.NotNil(t, documented.Find(name), "docs/metrics.md lacks %s", name)
	}
	for _, m := range documented {
		if !m.Family() {
			require.Contains(t, mentioned, m.Name, "docs/metrics.md has %s, and no code declares it", m.Name)
		}
	}
}
