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
	"haberdash/tests/api"
)

// shop is the shop under test, on this machine or on another one.
type shop interface {
	GatewayURL() string
	MailDir() string                 // has one .eml file for each mail
	Apps() []string                  // ids
	AppURL(app string) string        // of the app itself, without its sidecar
	OperationsURL(app string) string // of its metrics and profiles, if that is not AppURL
	SidecarHTTP(app string) string   // URL of the app's own sidecar
	SidecarToken(app string) string
	Secret(name string) (string, error)
}

// localShop is a shop on this machine.
type localShop struct{ *launch.Shop }

// Secret reads a secret that the launcher has generated.
func (s localShop) Secret(name string) (string, error) {
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

// remoteShop is a shop that another program has started. The file in E2E_SHOP describes it; tests/k8s writes one.
type remoteShop struct {
	Gateway  string            `json:"gateway"`
	Mail     string            `json:"mail"`
	AppURLs  map[string]string `json:"apps"`
	OpsURLs  map[string]string `json:"operations"`
	Sidecars map[string]string `json:"sidecars"`
	Secrets  map[string]string `json:"secrets"`
}

func readRemoteShop(path string) (s remoteShop, err error) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && cmp.Or(s.Gateway, s.Mail) == "" {
		err = fmt.Errorf("%s names no gateway", path)
	}
	return s, err
}

func (s remoteShop) GatewayURL() string              { return s.Gateway }
func (s remoteShop) MailDir() string                 { return s.Mail }
func (s remoteShop) Apps() []string                  { return slices.Sorted(maps.Keys(s.Sidecars)) }
func (s remoteShop) AppURL(app string) string        { return s.AppURLs[app] }
func (s remoteShop) OperationsURL(app string) string { return s.OpsURLs[app] }
func (s remoteShop) SidecarHTTP(app string) string   { return s.Sidecars[app] }

// SidecarToken returns no token: the addresses in Sidecars are those of proxies that add it.
func (s remoteShop) SidecarToken(string) string { return "" }

// sidecarClient returns a client of the HTTP API of an app's sidecar, with the token that the app has.
func sidecarClient(s shop, app string) *api.Client {
	c := api.New(s.SidecarHTTP(app))
	c.Header = map[string]string{"dapr-api-token": s.SidecarToken(app)}
	return c
}

// Secret returns a secret that the file names.
func (s remoteShop) Secret(name string) (string, error) {
	if s.Secrets[name] == "" {
		return "", fmt.Errorf("the shop has no secret %s", name)
	}
	return s.Secrets[name], nil
}
