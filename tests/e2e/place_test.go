package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"haberdash/dapr/launch"
)

// place is where the shop under test runs.
type place interface {
	GatewayURL() string
	MailDir() string               // one .eml file a message
	Apps() []string                // their ids
	AppURL(app string) string      // behind the mesh's back
	SidecarHTTP(app string) string // as the app itself reaches it
	Secret(name string) (string, error)
}

// here is a shop on this machine.
type here struct{ *launch.Shop }

// Secret reads what the launcher made.
func (s here) Secret(name string) (string, error) {
	secrets, err := os.ReadFile(filepath.Join(s.RunDir(), "secrets.env"))
	if err != nil {
		return "", err
	}
	value := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `=(.+)$`).FindSubmatch(secrets)
	if value == nil {
		return "", fmt.Errorf("the shop has no secret %s", name)
	}
	return string(value[1]), nil
}

// elsewhere is a shop that somebody else has started, as the file that E2E_SHOP names tells: see tests/k8s.
type elsewhere struct {
	Gateway  string            `json:"gateway"`
	Mail     string            `json:"mail"`
	AppURLs  map[string]string `json:"apps"`
	Sidecars map[string]string `json:"sidecars"`
	Secrets  map[string]string `json:"secrets"`
}

func readElsewhere(path string) (e elsewhere, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err == nil && cmp.Or(e.Gateway, e.Mail) == "" {
		err = fmt.Errorf("%s names no gateway", path)
	}
	return e, err
}

func (e elsewhere) GatewayURL() string            { return e.Gateway }
func (e elsewhere) MailDir() string               { return e.Mail }
func (e elsewhere) Apps() []string                { return slices.Sorted(maps.Keys(e.Sidecars)) }
func (e elsewhere) AppURL(app string) string      { return e.AppURLs[app] }
func (e elsewhere) SidecarHTTP(app string) string { return e.Sidecars[app] }
func (e elsewhere) Secret(name string) (string, error) {
	if e.Secrets[name] == "" {
		return "", fmt.Errorf("the shop has no secret %s", name)
	}
	return e.Secrets[name], nil
}
