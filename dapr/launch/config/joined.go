package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"haberdash/dapr/launch/appfile"
	"haberdash/dapr/launch/ports"
	"haberdash/internal/roster"
)

// AppsVariable is the variable with the folders of apps that join the shop or replace apps of it: a list with spaces or
// commas.
const AppsVariable = "APPS"

// readApps reads the app.yaml of each folder in a list.
func (o *Options) readApps(folders string) (failed error) {
	for _, folder := range strings.FieldsFunc(folders, func(r rune) bool { return r == ',' || r == ' ' }) {
		app, err := appfile.Read(folder)
		failed = errors.Join(failed, err)
		o.Add(app)
	}
	return failed
}

// Add adds an app of another folder: to Joined or to Replacements.
func (o *Options) Add(app appfile.App) {
	if app.Replaces != "" {
		o.Replacements = append(o.Replacements, app)
	} else {
		o.Joined = append(o.Joined, app)
	}
}

// OfFolders returns the apps of other folders: those that join the shop, and those that replace apps of it.
func (o Options) OfFolders() []appfile.App { return slices.Concat(o.Joined, o.Replacements) }

// Replacement returns the app that replaces an app of the shop, if there is one.
func (o Options) Replacement(id string) (app appfile.App, found bool) {
	i := slices.IndexFunc(o.Replacements, func(a appfile.App) bool { return a.Replaces == id })
	if i < 0 {
		return app, false
	}
	return o.Replacements[i], true
}

// checkJoined refuses apps that cannot run together or in this shop.
func (o Options) checkJoined() error {
	if len(o.Joined) > ports.MaxJoined {
		return fmt.Errorf("%s has %d folders: at most %d apps can join", AppsVariable, len(o.Joined), ports.MaxJoined)
	}
	if len(o.OfFolders()) > 0 && o.System {
		return errors.New("APPS needs the sidecar that is built here: leave DAPR=system out")
	}
	return appfile.CheckTogether(o.OfFolders())
}

// Apps returns the entries of the apps of the shop and of those that join.
func (o Options) Apps() []roster.App {
	list := roster.Apps()
	for _, app := range o.Joined {
		list = append(list, app.Entry())
	}
	return list
}

// JoinedTopics returns the topics that only apps that join use.
func (o Options) JoinedTopics() []string {
	return slices.DeleteFunc(roster.TopicsOf(o.Apps()), func(topic string) bool {
		return slices.Contains(roster.Topics(), topic)
	})
}

// Folder is the folder with the chosen components of a kind.
func (o Options) Folder(kind, value string) string {
	if filepath.IsAbs(value) {
		return value
	}
	return filepath.Join(o.Root, "components", kind, value)
}

// Folders are the folders with all chosen components.
func (o Options) Folders() (list []string) {
	for _, c := range o.Choices() {
		list = append(list, o.Folder(c.Kind, c.Value))
	}
	return list
}

// Components is the folder of the chosen components of a kind that the sidecars read: Folder, or if apps join, a copy
// that permits them what they need.
func (o Options) Components(kind, value string) string {
	if len(o.Joined) > 0 {
		return filepath.Join(o.JoinedDir(), "components", kind)
	}
	return o.Folder(kind, value)
}

// JoinedDir is the folder of the files that the launcher writes for apps of other folders.
func (o Options) JoinedDir() string { return filepath.Join(o.RunDir, "joined") }
