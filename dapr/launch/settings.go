package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"haberdash/dapr/launch/config"
	"haberdash/dapr/launch/rundir"
	"haberdash/dapr/launch/toolchain"
)

// settingsOf returns digests of the files that decide how a shop starts its processes, by path in the checkout: those
// in dapr/ that are no programs, those of the chosen components, and Dapr's programs as one. What runs has read the
// files at the start. Dapr's programs of DAPR=system are not built from the checkout.
func settingsOf(o config.Options) (map[string]string, error) {
	settings := map[string]string{}
	folders := []string{"dapr", filepath.Join("dapr", "resources")}
	if o.Secure {
		folders = append(folders, filepath.Join("dapr", "secure"))
	}
	for _, c := range o.Choices() {
		folders = append(folders, o.Folder(c.Kind, c.Value))
	}
	for _, folder := range folders {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(o.Root, folder)
		}
		files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(text)
			name := path
			if rel, err := filepath.Rel(o.Root, path); err == nil && filepath.IsLocal(rel) {
				name = rel
			}
			settings[filepath.ToSlash(name)] = hex.EncodeToString(sum[:8])
		}
	}
	if o.System {
		return settings, nil
	}
	version, err := toolchain.ToolsVersion(o.Root)
	settings["dapr/local"] = version
	return settings, err
}

// ChangedSettings lists the files that decide how a shop starts its processes and have changed since it has: paths in
// the checkout. It lists none for a shop of an earlier version, which has not recorded them.
func ChangedSettings(o config.Options, st rundir.State) ([]string, error) {
	if len(st.Settings) == 0 {
		return nil, nil
	}
	o, err := o.Complete()
	if err != nil {
		return nil, err
	}
	// What runs was chosen when it was started.
	for _, c := range []struct {
		variable string
		to       *string
	}{{"STATE", &o.State}, {"PUBSUB", &o.PubSub}, {"MAIL", &o.Mail}, {"SECRETS", &o.Secrets}} {
		*c.to = st.Choices[c.variable]
	}
	o.Secure = st.Choices["SECURE"] != ""
	_, local := st.Settings["dapr/local"]
	o.System = !local
	now, err := settingsOf(o)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(now, func(path, digest string) bool { return st.Settings[path] == digest })
	for path := range st.Settings {
		if _, err := os.Stat(filepath.Join(o.Root, path)); os.IsNotExist(err) {
			now[path] = ""
		}
	}
	return slices.Sorted(maps.Keys(now)), nil
}
