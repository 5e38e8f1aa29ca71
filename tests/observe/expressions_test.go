package observe

import (
	"net/url"
	"os"
	"os/exec"
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

// expression is a query of a rule. An alert has a severity.
type expression struct{ where, text, severity string }

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
				Rules []struct {
					Record, Alert, Expr string
					Labels              map[string]string
				}
			}
		}
		require.NoError(t, yaml.Unmarshal(text, &doc))
		for _, g := range doc.Groups {
			for _, r := range g.Rules {
				all = append(all, expression{r.Record + r.Alert, r.Expr, r.Labels["severity"]})
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

// answersEveryExpression waits until every expression has an answer: those of panels and recording rules have data, and
// the metrics of each alert exist. servers are the servers that the shop uses: what is about another has no data.
func (s shown) answersEveryExpression(root string, servers ...string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		ask := exec.CommandContext(s.t.Context(), "go", "run", "./cmd/ask",
			"-prometheus", s.urls["Prometheus"], "-servers", strings.Join(servers, ","))
		ask.Dir = filepath.Join(root, "deploy", "observability") // a module of its own
		out, err := ask.CombinedOutput()
		require.NoError(c, err, "%s", out)
	}, 3*time.Minute, 5*time.Second)
	for _, e := range rules(s.t, root) {
		for _, name := range e.metrics() {
			if slices.Contains(absent, name) {
				continue
			}
			series, err := s.query("count(" + name + ")")
			require.NoError(s.t, err)
			if server := serverOf(name); server != "" && !slices.Contains(servers, server) {
				assert.Empty(s.t, series, "the shop does not use the server of %s", name)
				continue
			}
			assert.NotEmpty(s.t, series, "%s uses the metric %s, which nothing has", e.where, name)
		}
	}
}

// serverOf returns the server that a metric is about; empty for those of apps, sidecars and machines.
func serverOf(metric string) string {
	for prefix, server := range map[string]string{"redis_": "redis", "pg_": "postgres", "kafka_": "kafka"} {
		if strings.HasPrefix(metric, prefix) {
			return server
		}
	}
	return ""
}

// absent are metrics of mutual TLS (SECURE=1), which a local shop does not use.
var absent = []string{
	"dapr_runtime_mtls_workload_cert_rotated_fail_total", "dapr_sentry_issuercert_expiry_timestamp",
}
