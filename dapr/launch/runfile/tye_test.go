package runfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/config"
)

func TestTyeGetsEveryResourceInOneFolderWithAbsolutePaths(t *testing.T) {
	o, f := defaults(t, config.Options{RunDir: t.TempDir(), PortBase: 31000, GatewayPort: 9999})
	f = f.Render(o)
	require.NoError(t, f.WriteConfigurations(o.Root, o.RunDir, Configuration{}))
	stale := filepath.Join(o.RunDir, tyeFolder, "0-stale.yaml")
	require.NoError(t, os.MkdirAll(filepath.Dir(stale), 0o700))
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	require.NoError(t, f.WriteTye(o.RunDir, o.PortBase))
	require.NoFileExists(t, stale, "of an earlier choice of components")

	all := ""
	for _, pattern := range []string{"*", "config/*"} {
		files, err := filepath.Glob(filepath.Join(o.RunDir, tyeFolder, pattern))
		require.NoError(t, err)
		for _, path := range files {
			if text, err := os.ReadFile(path); err == nil {
				all += string(text)
			}
		}
	}
	for _, want := range []string{
		"kind: Resiliency", "name: orders-cart", "type: pubsub.kafka", "type: secretstores.local.env",
		"file:" + o.RunDir + "/data/{appID}.sqlite?_pragma=synchronous(FULL)&_pragma=secure_delete(ON)",
		"file:" + o.RunDir + "/data/names.sqlite", "value: " + o.RunDir + "/mail",
	} {
		require.Contains(t, all, want)
	}
	require.NotContains(t, all, "file:data/")

	text, err := os.ReadFile(TyeFile(o.RunDir))
	require.NoError(t, err)
	for _, want := range []string{
		"components-path: " + o.RunDir + "/tye", "placement-port: 31000", "executable: " + o.RunDir + "/bin/orders",
		"port: 9999", "http-port: 31041",
	} {
		require.Contains(t, string(text), want)
	}
}

func TestTyeFileOfTheCheckoutIsThatOfTheDefaults(t *testing.T) {
	withoutSettings(t)
	o, f := defaults(t, config.Options{})
	tracked, err := os.ReadFile(filepath.Join(o.Root, "tye.yaml"))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(tracked), f.Render(o).Tye(".run", o.PortBase)),
		"with the default settings, tye run in the checkout starts what make backing has prepared")
}

func TestPathsThatAreAbsoluteOrNoFilesStay(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from.yaml"), filepath.Join(dir, "to.yaml")
	const text = `metadata:
  - name: connectionString
    value: file:/var/lib/state.sqlite
  - name: connectionString
    value: file::memory:?cache=shared
  - name: rootPath
    value: /var/mail
`
	require.NoError(t, os.WriteFile(from, []byte(text), 0o600))
	require.NoError(t, writeAbsolute(from, to, dir))
	got, err := os.ReadFile(to)
	require.NoError(t, err)
	require.Equal(t, text, string(got))

	require.NoError(t, os.WriteFile(from, []byte("metadata: [\n"), 0o600))
	require.ErrorContains(t, writeAbsolute(from, to, dir), from+": yaml: line 1")
}
