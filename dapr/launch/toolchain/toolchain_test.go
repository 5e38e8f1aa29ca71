package toolchain

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppsWithBuildTagsHaveTheirOwnDirectory(t *testing.T) {
	require.NotEqual(t, BinDir("root"), BinDir("root", "failpoints"))
}

func TestCacheKeyChangesWithTheSources(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "dapr", "local")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module x\n")
	before, err := cacheKey(root)
	require.NoError(t, err)
	write("README.md", "words")
	same, err := cacheKey(root)
	require.NoError(t, err)
	require.Equal(t, before, same)
	write("go.sum", "sum")
	after, err := cacheKey(root)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

func TestMissingGoAndUnwritableCacheAreNamed(t *testing.T) {
	root, err := FindRoot()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("HABERDASH_CACHE", filepath.Join(file, "cache"))
	_, err = EnsureTools(context.Background(), root, false, io.Discard)
	require.ErrorContains(t, err, "cannot write to ")
	t.Setenv("HABERDASH_CACHE", t.TempDir())
	t.Setenv("PATH", "/nonexistent")
	_, err = EnsureTools(context.Background(), root, false, io.Discard)
	require.ErrorContains(t, err, "the go command is missing")
}

func TestMissingMavenIsNamedWithItsPackage(t *testing.T) {
	root, err := FindRoot()
	require.NoError(t, err)
	t.Setenv("HABERDASH_CACHE", t.TempDir())
	t.Setenv("PATH", "/nonexistent")
	_, err = EnsureKafka(t.Context(), root, io.Discard)
	require.ErrorContains(t, err, "mvn is missing: install it (on Debian: apt-get install maven)")
}
