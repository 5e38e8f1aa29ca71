package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
)

func TestInvalidInputIsRefused(t *testing.T) {
	for _, bad := range []string{"", "windows/amd64", "linux", "linux/amd64,"} {
		require.Error(t, (&options{}).parsePlatforms(bad), bad)
	}
	_, err := (&options{root: t.TempDir()}).programs()
	require.ErrorContains(t, err, "not the checkout")
	_, err = (&options{root: filepath.Join("..", ".."), names: []string{"catalogue"}}).programs()
	require.ErrorContains(t, err, "catalogue")
	_, err = (&options{prefix: "UPPER CASE", tag: "v1"}).reference("cart")
	require.Error(t, err)
	t.Setenv("SOURCE_DATE_EPOCH", "today")
	_, err = readSource(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "SOURCE_DATE_EPOCH")
	broken := copyCheckout(t)
	require.NoError(t, os.WriteFile(filepath.Join(broken, "deploy", "secrets", "main.go"),
		[]byte("package main\nfunc main() { x }\n"), 0o600))
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	o := &options{root: broken, out: t.TempDir(), prefix: "p", tag: "t", names: []string{"secrets"},
		platforms: []v1.Platform{localPlatform()}}
	require.ErrorContains(t, o.run(t.Context()), "undefined: x")
}

// The test runs no container engine. It compares the flags and the user in the Dockerfile with those of compile, and
// the Go version with that of go.mod.
func TestDockerfileBuildsTheSameImage(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	for _, arg := range buildFlags("$REVISION") {
		require.Contains(t, strings.ReplaceAll(string(text), `"`, ""), " "+arg+" ")
	}
	mod, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(mod)
	require.Contains(t, string(text), "golang:"+string(version[1])+" AS build")
	require.Contains(t, string(text), "USER "+user+":"+user)
}
