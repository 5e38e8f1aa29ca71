package runfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/secrets"
	"haberdash/dapr/wiring"
	"haberdash/internal/roster"
)

// joinedVariable tells the gateway which apps have joined the shop.
const joinedVariable = "JOINED_APPS"

// join adds the apps that join the shop. They run like the others: each has a sidecar, tokens and
// access rules.
func (f File) join(o config.Options) File {
	if len(o.Joined) == 0 {
		return f
	}
	f.Common.Resources = append(f.Common.Resources, filepath.Join(o.JoinedDir(), "resources"))
	for i := range f.Apps {
		if f.Apps[i].AppID == roster.Gateway {
			list, _ := json.Marshal(JoinedApps(o)) // of strings: never fails
			f.Apps[i].Env[joinedVariable] = string(list)
		}
	}
	for i, a := range o.Joined {
		base := o.PortBase + ports.FirstJoined + i*ports.PerApp
		port := a.Port
		if port == 0 {
			port = base
		}
		env := map[string]string{"OTEL_SERVICE_NAME": a.ID}
		setVariables(env, a)
		f.Apps = append(f.Apps, App{
			AppID: a.ID, Dir: o.RunDir, Port: port,
			HTTPPort: base + 1, GRPCPort: base + 2, InternalPort: base + 3, MetricsPort: base + 4,
			ConfigFile: configPath(o.RunDir, a.ID), Command: []string{script(o, a)}, Env: env,
			Rest:   map[string]any{healthCheckPath: a.Health},
			Folder: a.Dir, Ready: a.Ready,
		})
	}
	return f
}

// setVariables adds the variables that app.yaml names.
func setVariables(env map[string]string, a appfile.App) {
	maps.Copy(env, a.Env)
	for _, name := range slices.Concat(a.Settings, slices.Collect(maps.Keys(a.Env))) {
		if value, set := os.LookupEnv(name); set {
			env[name] = value
		}
	}
}

// replacedBy returns the app of the shop with the program of another folder. Its sidecar stays as it is.
func (a App) replacedBy(o config.Options, by appfile.App) App {
	a.Command, a.Folder, a.Ready = []string{script(o, by)}, by.Dir, by.Ready
	if by.Port > 0 {
		a.Port = by.Port
	}
	setVariables(a.Env, by)
	a.Rest = maps.Clone(a.Rest)
	if a.Rest == nil {
		a.Rest = map[string]any{}
	}
	a.Rest[healthCheckPath] = by.Health
	return a
}

// JoinedApps says what the apps of the shop know of those that join.
func JoinedApps(o config.Options) (list roster.JoinedApps) {
	for _, a := range o.Joined {
		list = append(list, roster.Joined{
			App: a.ID, Serves: a.Serves, OpenAPI: a.OpenAPI, DeadLetters: len(a.Follows) > 0,
		})
	}
	return list
}

// script is the path of the script that starts an app in its folder. The dapr CLI writes its logs into the directory
// where it starts an app, and that is the run directory.
func script(o config.Options, a appfile.App) string { return filepath.Join(o.JoinedDir(), a.ID+".sh") }

// WriteJoined writes what the apps of other folders need besides the run file: the scripts that start them, and for
// those that join, copies of the chosen components that permit them what they use, and their subscriptions.
func WriteJoined(o config.Options) error {
	if err := os.RemoveAll(o.JoinedDir()); err != nil {
		return err
	}
	for _, a := range o.OfFolders() {
		words := make([]string, len(a.Start))
		for i, word := range a.Start {
			words[i] = secrets.Quote(word)
		}
		text := fmt.Sprintf("#!/bin/sh\n# Written by the launcher.\ncd %s && exec %s\n",
			secrets.Quote(a.Dir), strings.Join(words, " "))
		if err := writeFile(script(o, a), []byte(text)); err != nil {
			return err
		}
		if err := os.Chmod(script(o, a), 0o700); err != nil {
			return err
		}
	}
	if len(o.Joined) == 0 {
		return nil
	}
	for _, c := range o.Choices() {
		if err := copyComponents(o, c); err != nil {
			return err
		}
	}
	return writeFile(filepath.Join(o.JoinedDir(), "resources", "subscriptions.yaml"), subscriptions(o))
}

func writeFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func copyComponents(o config.Options, c config.Choice) error {
	files, err := filepath.Glob(filepath.Join(o.Folder(c.Kind, c.Value), "*.yaml"))
	if err != nil {
		return err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		scoped, err := wiring.Scopes(string(text), o.Apps())
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		to := filepath.Join(o.Components(c.Kind, c.Value), filepath.Base(path))
		if err := writeFile(to, []byte(scoped)); err != nil {
			return err
		}
	}
	return nil
}

// subscriptions renders the subscriptions of the apps that join.
func subscriptions(o config.Options) []byte {
	var documents []string
	for _, a := range o.Joined {
		for _, s := range wiring.SubscriptionsOf(a) {
			text, _ := yaml.Marshal(s) // of maps, lists and strings: never fails
			documents = append(documents, string(text))
		}
	}
	return []byte("# Written by the launcher.\n" + strings.Join(documents, "---\n"))
}

// allowJoined adds the calls of apps that join to the access rules of an app of the shop.
func allowJoined(rules any, callee string, joined []appfile.App) (any, error) {
	control, isMap := rules.(map[string]any)
	policies, isList := control["policies"].([]any)
	if !isMap || !isList {
		return nil, errors.New("accessControl has no list of policies")
	}
	for _, a := range joined {
		if policy := wiring.PolicyOf(a, callee); policy != nil {
			policies = append(policies, policy)
		}
	}
	control["policies"] = policies
	return control, nil
}
