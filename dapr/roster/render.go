package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/runfile"
	"haberdash/dapr/wiring"
	"haberdash/internal/roster"
)

// file is a file that repeats the roster, with its present content and the content that it should have.
type file struct{ path, have, want string }

// render reads the files below the root of the checkout and renders what they should contain.
func render(root string) (files []file, err error) {
	components, err := filepath.Glob(filepath.Join(root, "components", "*", "*", "*.yaml"))
	if err != nil {
		return nil, err
	}
	edits := map[string]func(text string) (string, error){
		"dapr/resources/subscriptions.yaml": whole(subscriptions),
		"dapr/Kustomization":                whole(kustomization),

		"deploy/observability/boards/apps.json": whole(dashboards),
		"deploy/base/kustomization.yaml":        replace(`(?:  - [a-z-]+\.yaml\n)+labels:`, manifests()+"labels:"),
		"deploy/servers/broker/broker.yaml":     replace(`-topics=\S+`, "-topics="+strings.Join(roster.Topics(), ",")),
		"deploy/compose/infra.yaml": replace(`for t in [^;]+;`,
			"for t in "+strings.Join(roster.Topics(), " ")+";"),
		"tests/fuzz/schemathesis.toml": replace(`apps\.values = \[[^\]]*\]`,
			"apps.values = "+quoted(roster.StandardIDs()[1:])),
	}
	for _, path := range components {
		name, err := filepath.Rel(root, path)
		if err != nil {
			return nil, err
		}
		edits[filepath.ToSlash(name)] = func(text string) (string, error) { return wiring.Scopes(text, roster.Apps()) }
	}
	policies, err := access(root)
	if err != nil {
		return nil, err
	}
	all, secretsBy := map[string][]string{}, map[string][]string{}
	for _, app := range roster.IDs() {
		secrets, err := secretsOf(root, app)
		secretsBy[app] = secrets
		if err != nil {
			return nil, err
		}
		edits["dapr/secure/"+app+".yaml"] = from(accessRules,
			map[string]any{"App": app, "Policies": policies[app], "Secrets": strings.Join(secrets, ", ")})
		if all[app], err = settingsOf(root, app); err != nil {
			return nil, err
		}
	}
	if err := installed(root, secretsBy, edits); err != nil {
		return nil, err
	}
	edits["dapr/settings.yaml"] = from(settings, all)
	var failed error
	for path, edit := range edits {
		have, err := os.ReadFile(filepath.Join(root, path))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		want, err := edit(string(have))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", path, err))
		}
		files = append(files, file{path, string(have), want})
	}
	return files, failed
}

// installed adds the files that follow from dapr/apps.yaml: what `dapr run` with an installed Dapr and Tye need.
func installed(
	root string, secrets map[string][]string, edits map[string]func(text string) (string, error),
) error {
	file, err := runfile.Read(runfile.Source(root))
	if err != nil {
		return err
	}
	edits["tye.yaml"] = func(string) (string, error) { return tyeHead + file.Tye(".run", ports.DefaultBase), nil }
	for _, app := range roster.IDs() {
		edits["dapr/init/"+app+".yaml"] = func(string) (string, error) {
			text, err := runfile.InstalledConfiguration(root, app, secrets[app])
			return fmt.Sprintf(installedHead, app) + text, err
		}
	}
	return nil
}

// whole renders a file from a template and the list of apps.
func whole(t *template.Template) func(string) (string, error) { return from(t, roster.Apps()) }

func from(t *template.Template, data any) func(string) (string, error) {
	return func(string) (string, error) {
		var b strings.Builder
		err := t.Execute(&b, data)
		return b.String(), err
	}
}

// replace replaces the only match of a pattern. Another number of matches is an error.
func replace(pattern, with string) func(string) (string, error) {
	re := regexp.MustCompile(pattern)
	return func(text string) (string, error) {
		if n := len(re.FindAllString(text, -1)); n != 1 {
			return text, fmt.Errorf("%s matches %d times, expected once", pattern, n)
		}
		return re.ReplaceAllLiteralString(text, with), nil
	}
}

// manifests lists the manifests of the apps that every shop runs, for a kustomization.
func manifests() (lines string) {
	for _, app := range roster.StandardIDs() {
		lines += "  - " + app + ".yaml\n"
	}
	return lines
}

func quoted(list []string) string { return `["` + strings.Join(list, `", "`) + `"]` }
