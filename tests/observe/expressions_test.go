package observe

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// expression is a query of a panel or of a rule.
type expression struct{ where, text string }

// metrics returns the names of the metrics in the expression.
func (e expression) metrics() []string {
	text := braces.ReplaceAllString(e.text, " ")
	text = grouping.ReplaceAllString(text, " ")
	var names []string
	for _, m := range word.FindAllStringSubmatch(text, -1) {
		if m[2] == "" && !slices.Contains(operators, m[1]) {
			names = append(names, m[1])
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

var (
	braces    = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]|"[^"]*"`)
	grouping  = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	word      = regexp.MustCompile(`\b([a-zA-Z_:][a-zA-Z0-9_:]*)\b(\s*\()?`)
	operators = []string{"and", "or", "unless", "bool", "offset", "inf", "nan", "group_left", "group_right"}
)

// panels returns the expressions of all dashboards.
func panels(t *testing.T, root string) (all []expression) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy", "observability", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var doc any
		require.NoError(t, json.Unmarshal(text, &doc))
		collect(doc, filepath.Base(path), &all)
	}
	require.NotEmpty(t, all)
	return all
}

// collect adds the member expr of each object of a JSON document. The nearest title tells where it is.
func collect(node any, where string, all *[]expression) {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			collect(child, where, all)
		}
	case map[string]any:
		if title, ok := n["title"].(string); ok {
			where += ": " + title
		}
		if expr, ok := n["expr"].(string); ok {
			*all = append(*all, expression{where, strings.ReplaceAll(expr, "$__rate_interval", "1m")})
		}
		for _, child := range n {
			collect(child, where, all)
		}
	}
}

// rules returns the expressions of all rules and alerts.
func rules(t *testing.T, root string) (all []expression) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "deploy", "observability", "prometheus", "rules", "*.yaml"))
	require.NoError(t, err)
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var doc struct {
			Groups []struct {
				Rules []struct{ Record, Alert, Expr string }
			}
		}
		require.NoError(t, yaml.Unmarshal(text, &doc))
		for _, g := range doc.Groups {
			for _, r := range g.Rules {
				all = append(all, expression{r.Record + r.Alert, r.Expr})
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// query evaluates an expression.
func (s shown) query(expr string) ([]sample, error) {
	var answer struct {
		Data struct{ Result []sample }
	}
	err := s.get("Prometheus", "/api/v1/query?"+url.Values{"query": {expr}}.Encode(), &answer)
	return answer.Data.Result, err
}

// answersEveryExpression waits until each panel has data and each rule can be evaluated, with metrics that exist.
func (s shown) answersEveryExpression(root string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		for _, e := range panels(s.t, root) {
			series, err := s.query(e.text)
			assert.NoError(c, err, "%s: %s", e.where, e.text)
			if !slices.Contains(silent, e.where) {
				assert.NotEmpty(c, series, "%s: %s", e.where, e.text)
			}
		}
		for _, e := range rules(s.t, root) {
			_, err := s.query(e.text)
			assert.NoError(c, err, "%s: %s", e.where, e.text)
			for _, name := range e.metrics() {
				if slices.Contains(absent, name) {
					continue
				}
				series, err := s.query("count(" + name + ")")
				assert.NoError(c, err)
				assert.NotEmpty(c, series, "%s uses the metric %s, which nothing has", e.where, name)
			}
		}
	}, 3*time.Minute, 5*time.Second)
}

// silent are the panels without data in a shop that works, and absent the metrics that a local shop does not have.
var silent, absent = []string{}, []string{
	"haberdash_invariant_violations", // of the watcher (WATCH=on)
}
