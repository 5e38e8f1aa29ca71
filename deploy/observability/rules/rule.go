// Package rules defines what Prometheus computes and what it alerts on: recording rules, objectives (SLOs), and alerts.
// Each alert has the series of a fault that it must report and those of a healthy shop at which it must stay silent.
// Render writes all of it as Prometheus' rule files, and as unit tests for promtool.
package rules

import (
	"bytes"
	"cmp"
	_ "embed" // runbooks.md
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Severity says when somebody must act.
type Severity string

// The severities.
const (
	Page   Severity = "page"   // at once: customers notice it, or will soon
	Ticket Severity = "ticket" // in working hours
)

// Alert is one alert with its test. Two alerts may have the same name and different severities.
type Alert struct {
	Name     string
	Severity Severity
	Expr     string
	For      string // how long Expr must return something, such as 2m
	Summary  string // one sentence; {{ $labels.app }} is a label of what Expr returns

	Fault   []Series // the alert fires with these
	Healthy []Series // and is silent with these
	At      string   // when the test looks, such as 10m after the first value
	Labels  Labels   // of the alert that fires, without its severity
}

// Series is a time series with a value each minute, in promtool's notation: 0+1x5 is 0 1 2 3 4 5.
type Series struct{ Name, Values string }

// Labels are the names and values of labels.
type Labels map[string]string

// Record is an expression that Prometheus evaluates regularly and stores under a name.
type Record struct {
	Name, Expr string
	Labels     Labels
}

// Group is a group of rules, which are evaluated in this order.
type Group struct {
	Name    string
	Records []Record
	Alerts  []Alert

	testEvery string // how often the tests evaluate the rules; 1m if empty
}

// Groups returns all groups.
func Groups() []Group {
	return []Group{
		objectives(), orders(), logs(), consumers(), invariants(), apps(), sidecars(), stores(), machines(),
	}
}

// Alerts returns all alerts.
func Alerts() (all []Alert) {
	for _, g := range Groups() {
		all = append(all, g.Alerts...)
	}
	return all
}

// Runbook is the page about an alert, relative to the root of the repository.
func (a Alert) Runbook() string { return "docs/runbooks/" + kebab(a.Name) + ".md" }

// kebab turns AppDown into app-down.
func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// The shapes of Prometheus' files.
type (
	ruleFile struct {
		Groups []ruleGroup `yaml:"groups"`
	}
	ruleGroup struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	}
	rule struct {
		Record      string `yaml:"record,omitempty"`
		Alert       string `yaml:"alert,omitempty"`
		Expr        string `yaml:"expr"`
		For         string `yaml:"for,omitempty"`
		Labels      Labels `yaml:"labels,omitempty"`
		Annotations Labels `yaml:"annotations,omitempty"`
	}
	testFile struct {
		RuleFiles []string `yaml:"rule_files"`
		Every     string   `yaml:"evaluation_interval"`
		Tests     []test   `yaml:"tests"`
	}
	test struct {
		Name     string        `yaml:"name"`
		Interval string        `yaml:"interval"`
		Input    []inputSeries `yaml:"input_series"`
		Alerts   []alertTest   `yaml:"alert_rule_test"`
	}
	inputSeries struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	alertTest struct {
		At       string        `yaml:"eval_time"`
		Name     string        `yaml:"alertname"`
		Expected []expectation `yaml:"exp_alerts"`
	}
	expectation struct {
		Labels      Labels `yaml:"exp_labels"`
		Annotations Labels `yaml:"exp_annotations"`
	}
)

// Render returns, for each group, a rule file and the file of its unit tests, by their paths below this module.
func Render() (map[string][]byte, error) { return render(Groups()) }

func render(groups []Group) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, g := range groups {
		// The alerts on objectives look back for days, so they are evaluated less often.
		tests := testFile{RuleFiles: []string{"../rules/" + g.Name + ".yaml"}, Every: cmp.Or(g.testEvery, "1m")}
		for _, a := range g.Alerts {
			tests.Tests = append(tests.Tests, a.test("fires", a.Fault, []expectation{a.expected()}),
				a.test("is silent", a.Healthy, []expectation{}))
		}
		var err error
		if files["prometheus/rules/"+g.Name+".yaml"], err = encode(ruleFile{[]ruleGroup{g.file()}}); err != nil {
			return nil, err
		}
		if files["prometheus/tests/"+g.Name+".yaml"], err = encode(tests); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func encode(content any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# Written by `go run .` in deploy/observability from the package rules.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(content)
	return b.Bytes(), err
}

func (a Alert) test(what string, series []Series, expected []expectation) test {
	t := test{Name: a.Name + " (" + string(a.Severity) + ") " + what, Interval: "1m",
		Alerts: []alertTest{{a.At, a.Name, expected}}}
	for _, s := range series {
		t.Input = append(t.Input, inputSeries{s.Name, s.Values})
	}
	return t
}

func (a Alert) expected() expectation {
	labels := Labels{"severity": string(a.Severity)}
	maps.Copy(labels, a.Labels)
	return expectation{labels, a.annotations(a.Labels)}
}

var reference = regexp.MustCompile(`{{ \$labels\.([a-z_]+) }}`)

// annotations are those of the rule, or with labels those of the alert that fires.
func (a Alert) annotations(labels Labels) Labels {
	summary := a.Summary
	if labels != nil {
		summary = reference.ReplaceAllStringFunc(summary, func(r string) string {
			return labels[reference.FindStringSubmatch(r)[1]]
		})
	}
	return Labels{"summary": summary, "runbook_url": a.Runbook()}
}

// Names returns the names of all alerts, each once.
func Names() []string {
	var names []string
	for _, a := range Alerts() {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Operator renders all rules as a resource of Prometheus' operator, by its path below this module.
func Operator() (map[string][]byte, error) {
	type meta struct {
		Name string `yaml:"name"`
	}
	resource := struct {
		APIVersion string   `yaml:"apiVersion"`
		Kind       string   `yaml:"kind"`
		Metadata   meta     `yaml:"metadata"`
		Spec       ruleFile `yaml:"spec"`
	}{"monitoring.coreos.com/v1", "PrometheusRule", meta{"haberdash"}, ruleFile{}}
	for _, g := range Groups() {
		resource.Spec.Groups = append(resource.Spec.Groups, g.file())
	}
	text, err := encode(resource)
	return map[string][]byte{"../components/monitors/rules.yaml": text}, err
}

// file is the group as it stands in a rule file.
func (g Group) file() ruleGroup {
	out := ruleGroup{Name: g.Name}
	for _, r := range g.Records {
		out.Rules = append(out.Rules, rule{Record: r.Name, Expr: r.Expr, Labels: r.Labels})
	}
	for _, a := range g.Alerts {
		out.Rules = append(out.Rules, rule{Alert: a.Name, Expr: a.Expr, For: a.For,
			Labels: Labels{"severity": string(a.Severity)}, Annotations: a.annotations(nil)})
	}
	return out
}

// runbooks is what the list of the runbooks begins with.
//
//go:embed runbooks.md
var runbooks string

// Index renders the list of the runbooks, by its path below this module.
func Index() (map[string][]byte, error) {
	var b strings.Builder
	b.WriteString(runbooks)
	for _, g := range Groups() {
		fmt.Fprintf(&b, "\n## %s%s\n\n| alert | severity | says |\n|---|---|---|\n", strings.ToUpper(g.Name[:1]), g.Name[1:])
		for _, a := range g.Alerts {
			says := reference.ReplaceAllString(a.Summary, "*$1*")
			fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", a.Name, kebab(a.Name), a.Severity, says)
		}
	}
	return map[string][]byte{"../../docs/runbooks/README.md": []byte(b.String())}, nil
}
