package secrets

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsAreReadableByTheOwnerOnlyAndIDKeyStays(t *testing.T) {
	dir := t.TempDir()
	first, err := Generate(dir)
	require.NoError(t, err)
	second, err := Generate(dir)
	require.NoError(t, err)
	require.NotEmpty(t, first["ID_KEY"])
	require.Equal(t, first["ID_KEY"], second["ID_KEY"])
	info, err := os.Stat(filepath.Join(dir, FileName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestFingerprintsDifferWhenSecretsDiffer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, err := Fingerprints(dir)
	require.NoError(t, err)
	require.Empty(t, none)
	secrets, err := Generate(dir)
	require.NoError(t, err)
	prints, err := Fingerprints(dir)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"ID_KEY", "KEY_ENCRYPTION_KEY"}, slices.Collect(maps.Keys(prints)),
		"without those that change at each start")
	for name, print := range prints {
		require.NotContains(t, secrets[name], print)
	}
	_, err = Generate(dir)
	require.NoError(t, err)
	again, err := Fingerprints(dir)
	require.NoError(t, err)
	require.Equal(t, prints, again)
	secrets["ID_KEY"] = "another"
	require.NoError(t, WriteFile(filepath.Join(dir, FileName), secrets))
	other, err := Fingerprints(dir)
	require.NoError(t, err)
	require.NotEqual(t, prints["ID_KEY"], other["ID_KEY"])
	require.Equal(t, prints["KEY_ENCRYPTION_KEY"], other["KEY_ENCRYPTION_KEY"])
}
