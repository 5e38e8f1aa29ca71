package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnknownChoiceListsTheKnownOnes(t *testing.T) {
	_, err := Options{State: "mongo"}.Complete()
	require.ErrorContains(t, err, "STATE=mongo is unknown: the choices are ")
	require.ErrorContains(t, err, "sqlite")
	_, err = Options{State: "./mongo"}.Complete()
	require.ErrorContains(t, err, "STATE=./mongo: the directory ")
	require.ErrorContains(t, err, "mongo has no component files (*.yaml)")
	_, err = Options{State: "../pubsub"}.Complete()
	require.Error(t, err)
}

func TestFromEnvRefusesInvalidPorts(t *testing.T) {
	for _, v := range []string{"x", "0", "-1", "65536", "8080 "} {
		t.Setenv("GATEWAY_PORT", v)
		_, err := FromEnv()
		require.ErrorContains(t, err, "GATEWAY_PORT="+v+" is not a port", v)
	}
	t.Setenv("GATEWAY_PORT", "8081")
	t.Setenv("DAPR", "other")
	_, err := FromEnv()
	require.ErrorContains(t, err, "DAPR=system")
}

func TestAppsOfFoldersJoinOrReplace(t *testing.T) {
	write := func(text string) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "app.yaml"), []byte(text), 0o600))
		return dir
	}
	points, mails := write("id: points\ncommand: [x]\n"), write("replaces: notifications\ncommand: [y]\n")
	t.Setenv(AppsVariable, points+", "+mails)
	o, err := FromEnv()
	require.NoError(t, err)
	require.Len(t, o.Joined, 1)
	require.Len(t, o.OfFolders(), 2)
	app, replaced := o.Replacement("notifications")
	require.True(t, replaced)
	require.Equal(t, mails, app.Dir)
	_, replaced = o.Replacement("points")
	require.False(t, replaced)
	o, err = o.Complete()
	require.NoError(t, err)
	require.NotContains(t, o.JoinedTopics(), "notifications-dead", "the app of the shop has it")

	t.Setenv(AppsVariable, mails+","+mails)
	o, err = FromEnv()
	require.NoError(t, err)
	_, err = o.Complete()
	require.ErrorContains(t, err, "both replace notifications")
	t.Setenv(AppsVariable, mails)
	o, err = FromEnv()
	require.NoError(t, err)
	require.Equal(t, filepath.Join("a", "components", "state", "redis"), Options{Root: "a", Replacements: o.Replacements}.
		Components("state", "redis"), "components stay as they are")
	o.System = true
	_, err = o.Complete()
	require.ErrorContains(t, err, "DAPR=system")
}

func TestAppsWithBuildTagsNeedTheirOwnRunDirectory(t *testing.T) {
	_, err := Options{Tags: []string{"failpoints"}}.Complete()
	require.ErrorContains(t, err, "a run directory of their own")
	_, err = Options{Tags: []string{"failpoints"}, RunDir: t.TempDir()}.Complete()
	require.NoError(t, err)
}

func TestSecureIsChosenByAVariable(t *testing.T) {
	for value, want := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv("SECURE", value)
		o, err := FromEnv()
		require.NoError(t, err)
		require.Equal(t, want, o.Secure, value)
	}
	t.Setenv("SECURE", "yes")
	_, err := FromEnv()
	require.ErrorContains(t, err, "SECURE=yes")

	_, err = Options{Secure: true, System: true}.Complete()
	require.ErrorContains(t, err, "DAPR=system")
}

func TestShortCertificatesNeedASecureShop(t *testing.T) {
	t.Setenv("CERTIFICATES", "short")
	o, err := FromEnv()
	require.NoError(t, err)
	require.True(t, o.ShortCertificates)
	_, err = o.Complete()
	require.ErrorContains(t, err, "SECURE=1")
	o.Secure = true
	_, err = o.Complete()
	require.NoError(t, err)
	t.Setenv("CERTIFICATES", "long")
	_, err = FromEnv()
	require.ErrorContains(t, err, "CERTIFICATES=long")
}

func TestTheWatcherIsChosenByAVariable(t *testing.T) {
	for value, want := range map[string]bool{"": false, "off": false, "on": true} {
		t.Setenv("WATCH", value)
		o, err := FromEnv()
		require.NoError(t, err)
		require.Equal(t, want, o.Watch, value)
	}
	t.Setenv("WATCH", "1")
	_, err := FromEnv()
	require.ErrorContains(t, err, "WATCH=1")
}
