package runfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/wiring"
)

func configPath(runDir, app string) string { return filepath.Join(runDir, "config", app+".yaml") }

func accessPath(root, app string) string { return filepath.Join(root, "dapr", "secure", app+".yaml") }

// Configuration says what is added to the common configuration of the sidecars.
type Configuration struct {
	Secure bool // the access rules of each app
	Traced bool // the export of spans: see samplingRate
	Joined []appfile.App
}

// samplingRate makes a sidecar record the spans of a trace that its app records, and practically no others: a rate of 0
// would turn its tracing off.
const samplingRate = "0.000001"

// WriteConfigurations writes a Dapr configuration for each sidecar of a rendered run file: the common one, with the
// secrets that its app may read and, if secure, the access rules of its app, both from dapr/secure. An app without them
// is an error, because its sidecar would give it every secret and allow every call.
func (f File) WriteConfigurations(root, runDir string, c Configuration) error {
	if err := os.MkdirAll(filepath.Dir(configPath(runDir, "")), 0o700); err != nil {
		return err
	}
	for _, a := range f.Apps {
		config, err := readConfiguration(f.Common.ConfigFile)
		if err != nil {
			return err
		}
		path := accessPath(root, a.AppID)
		access, err := c.access(root, a.AppID)
		if err != nil {
			return fmt.Errorf("the access rules of %s: %w", a.AppID, err)
		}
		for member, wanted := range map[string]bool{"secrets": true, "accessControl": c.Secure} {
			if access.Spec[member] == nil {
				return fmt.Errorf("%s has no %s", path, member)
			}
			if wanted {
				config.Spec[member] = access.Spec[member]
			}
		}
		if c.Traced {
			config.Spec["tracing"] = map[string]any{"samplingRate": samplingRate}
		}
		text, err := yaml.Marshal(config)
		if err != nil {
			return err
		}
		if err := os.WriteFile(configPath(runDir, a.AppID), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// access returns the access rules and allowed secrets of an app.
func (c Configuration) access(root, app string) (configuration, error) {
	for _, a := range c.Joined {
		if a.ID == app {
			return configuration{Spec: map[string]any{
				"secrets": wiring.SecretScopes(a.Secrets), "accessControl": wiring.AccessTo(a, c.Joined),
			}}, nil
		}
	}
	rules, err := readConfiguration(accessPath(root, app))
	if err != nil || len(c.Joined) == 0 {
		return rules, err
	}
	rules.Spec["accessControl"], err = allowJoined(rules.Spec["accessControl"], app, c.Joined)
	return rules, err
}

// InstalledConfiguration returns the configuration of the sidecar of an app for a Dapr that `dapr init` has installed:
// the common one without its name resolution, so that the sidecars find each other by mDNS, and with the secrets that
// the app may read. It has no access rules: without mutual TLS the sidecar does not know who calls.
func InstalledConfiguration(root, app string, secrets []string) (string, error) {
	config, err := readConfiguration(filepath.Join(root, "dapr", "config.yaml"))
	if err != nil {
		return "", err
	}
	delete(config.Spec, "nameResolution")
	config.Spec["secrets"] = wiring.SecretScopes(secrets)
	config.Rest["metadata"] = map[string]any{"name": app}
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err = encoder.Encode(config)
	return b.String(), err
}

// AllowedSecrets returns the names of the secrets that the sidecar of an app may give it.
func AllowedSecrets(root, app string) (names []string, err error) {
	var file struct {
		Spec struct {
			Secrets struct {
				Scopes []struct {
					AllowedSecrets []string `yaml:"allowedSecrets"`
				}
			}
		}
	}
	if err := readYAML(accessPath(root, app), &file); err != nil {
		return nil, err
	}
	for _, scope := range file.Spec.Secrets.Scopes {
		names = append(names, scope.AllowedSecrets...)
	}
	return names, nil
}

// Settings returns, by app, the names of the variables that each app reads.
func Settings(root string) (names map[string][]string, err error) {
	err = readYAML(filepath.Join(root, "dapr", "settings.yaml"), &names)
	return names, err
}

// configuration is a Dapr resource of kind Configuration.
type configuration struct {
	Spec map[string]any `yaml:"spec"`
	Rest map[string]any `yaml:",inline"`
}

func readConfiguration(path string) (c configuration, err error) {
	err = readYAML(path, &c)
	return c, err
}

func readYAML(path string, v any) error {
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
