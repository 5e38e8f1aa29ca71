package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"haberdash/internal/roster"
)

var root = filepath.Join("..", "..")

// Dapr reports no error for a scope or topic that is missing or misspelt: the app just gets no component or no events.
func TestFilesRepeatTheRoster(t *testing.T) {
	t.Parallel()
	files, err := render(root)
	require.NoError(t, err)
	require.Greater(t, len(files), 15)
	for _, f := range files {
		require.Equal(t, f.want, f.have, "%s: run make roster", f.path)
	}
}

func TestRunFileListsTheAppsOfTheRoster(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "dapr", "apps.yaml"))
	require.NoError(t, err)
	var run struct {
		Apps []struct {
			ID     string `yaml:"appID"`
			Port   int    `yaml:"appPort"`
			Config string `yaml:"configFilePath"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &run))
	require.Len(t, run.Apps, len(roster.Apps()))
	for i, app := range roster.Apps() {
		require.Equal(t, app.ID, run.Apps[i].ID)
		require.Equal(t, app.Port, run.Apps[i].Port)
		require.Equal(t, "../dapr/init/"+app.ID+".yaml", run.Apps[i].Config, "with the common one it could read every secret")
	}
}

// Every app has a program, access rules and a manifest.
func TestEveryAppHasItsFiles(t *testing.T) {
	t.Parallel()
	for _, app := range roster.IDs() {
		require.FileExists(t, filepath.Join(root, "apps", app, "main.go"))
		require.FileExists(t, filepath.Join(root, "dapr", "secure", app+".yaml"))
		require.FileExists(t, filepath.Join(root, "dapr", "init", app+".yaml"))
		manifest := filepath.Join("base", app+".yaml")
		if roster.Get(app).Optional {
			manifest = filepath.Join("components", app, "app", app+".yaml")
		}
		require.FileExists(t, filepath.Join(root, "deploy", manifest))
	}
	folders, err := os.ReadDir(filepath.Join(root, "apps"))
	require.NoError(t, err)
	require.Len(t, folders, len(roster.IDs()), "an app outside the roster")
}
