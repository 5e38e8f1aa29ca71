package architecture

import (
	"haberdash/internal/roster"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// rules are the allowed calls: by callee, caller and operation, the methods in order.
type rules map[string]map[string]map[string][]string

func (r rules) allow(callee, caller, operation, method string) {
	if r[callee] == nil {
		r[callee] = map[string]map[string][]string{}
	}
	if r[callee][caller] == nil {
		r[callee][caller] = map[string][]string{}
	}
	methods := r[callee][caller][operation]
	switch {
	case slices.Contains(methods, "*") || slices.Contains(methods, method):
		return
	case method == "*":
		methods = nil
	}
	methods = append(slices.Clone(methods), method)
	slices.Sort(methods)
	r[callee][caller][operation] = methods
}

// condense removes operations that a wider operation with the same methods allows already.
func (r rules) condense() {
	for _, callers := range r {
		for _, operations := range callers {
			for wide, methods := range operations {
				above, ok := strings.CutSuffix(wide, "**")
				if !ok {
					continue
				}
				maps.DeleteFunc(operations, func(o string, m []string) bool {
					return o != wide && strings.HasPrefix(o, above) && slices.Equal(m, methods)
				})
			}
		}
	}
}

// The files of dapr/secure allow the calls that the code makes and no other. A call that they lack would be refused, and
// an operation that nobody calls any more would stay open.
func TestAccessRulesAllowWhatTheCodeCalls(t *testing.T) {
	t.Parallel()
	want, apps := calls(t), roster.IDs()
	want.condense()
	for _, app := range apps {
		if want[app] == nil {
			want[app] = map[string]map[string][]string{} // nobody calls it
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "dapr", "secure", "*.yaml"))
	require.NoError(t, err)
	got := rules{}
	for _, path := range files {
		app, listed := readRules(t, path)
		got[app] = listed
	}
	require.ElementsMatch(t, apps, slices.Collect(maps.Keys(got)), "a file for each app")
	for _, app := range apps {
		require.Equal(t, want[app], got[app], "dapr/secure/%s.yaml", app)
	}
}

// readRules reads a file of dapr/secure. It requires that operations which are not listed are denied, and that callers are
// known by the names that sentry certifies.
func readRules(t *testing.T, path string) (app string, listed map[string]map[string][]string) {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var file struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct {
			AccessControl struct {
				DefaultAction string `yaml:"defaultAction"`
				TrustDomain   string `yaml:"trustDomain"`
				Policies      []struct {
					AppID         string `yaml:"appId"`
					DefaultAction string `yaml:"defaultAction"`
					TrustDomain   string `yaml:"trustDomain"`
					Namespace     string
					Operations    []struct {
						Name, Action string
						HTTPVerb     []string `yaml:"httpVerb"`
					}
				}
			} `yaml:"accessControl"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file), path)
	require.Equal(t, "Configuration", file.Kind, path)
	require.Equal(t, filepath.Base(path), file.Metadata.Name+".yaml")
	access := file.Spec.AccessControl
	require.Equal(t, []string{"deny", "public"}, []string{access.DefaultAction, access.TrustDomain}, path)
	listed = map[string]map[string][]string{}
	for _, p := range access.Policies {
		require.NotContains(t, listed, p.AppID, "%s: Dapr keeps the last policy of an app", path)
		require.Equal(t, []string{"deny", "public", "default"}, []string{p.DefaultAction, p.TrustDomain, p.Namespace}, "%s: %s", path, p.AppID)
		listed[p.AppID] = map[string][]string{}
		for _, o := range p.Operations {
			require.Equal(t, "allow", o.Action, "%s: %s: %s", path, p.AppID, o.Name)
			require.NotContains(t, listed[p.AppID], o.Name, "%s: %s: Dapr keeps the first of a name", path, p.AppID)
			methods := slices.Clone(o.HTTPVerb)
			slices.Sort(methods)
			listed[p.AppID][o.Name] = methods
		}
	}
	return file.Metadata.Name, listed
}
