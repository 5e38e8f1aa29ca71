package runfile

import (
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

func configPath(runDir, app string) string { return filepath.Join(runDir, "config", app+".yaml") }

func accessPath(root, app string) string { return filepath.Join(root, "dapr", "secure", app+".yaml") }

// WriteAccessRules writes a Dapr configuration for each sidecar of a rendered run file: the common one with the access
// rules of its app from dapr/secure. An app without rules is an error, because its sidecar would allow every call.
func (f File) WriteAccessRules(root, runDir string) error {
	if err := os.MkdirAll(filepath.Dir(configPath(runDir, "")), 0o755); err != nil {
		return err
	}
	for _, a := range f.Apps {
		config, err := readConfiguration(f.Common.ConfigFile)
		if err != nil {
			return err
		}
		path := accessPath(root, a.AppID)
		access, err := readConfiguration(path)
		if err != nil {
			return fmt.Errorf("the access rules of %s: %w", a.AppID, err)
		}
		if access.Spec["accessControl"] == nil {
			return fmt.Errorf("%s has no accessControl", path)
		}
		config.Spec["accessControl"] = access.Spec["accessControl"]
		text, err := yaml.Marshal(config)
		if err != nil {
			return err
		}
		if err := os.WriteFile(configPath(runDir, a.AppID), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// configuration is a Dapr resource of kind Configuration.
type configuration struct {
	Spec map[string]any `yaml:"spec"`
	Rest map[string]any `yaml:",inline"`
}

func readConfiguration(path string) (c configuration, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, &c)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
