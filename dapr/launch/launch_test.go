package launch

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnknownChoiceListsTheKnownOnes(t *testing.T) {
	_, err := Options{State: "mongo"}.complete()
	require.ErrorContains(t, err, "STATE=mongo is unknown: the choices are ")
	require.ErrorContains(t, err, "sqlite")
	_, err = Options{State: "../pubsub"}.complete()
	require.Error(t, err)
}

func TestOptionsFromEnvRefusesWhatIsNoPort(t *testing.T) {
	for _, v := range []string{"x", "0", "-1", "65536", "8080 "} {
		t.Setenv("GATEWAY_PORT", v)
		_, err := OptionsFromEnv()
		require.ErrorContains(t, err, "GATEWAY_PORT="+v+" is not a port", v)
	}
	t.Setenv("GATEWAY_PORT", "8081")
	t.Setenv("DAPR", "other")
	_, err := OptionsFromEnv()
	require.ErrorContains(t, err, "DAPR=system")
}

func TestAppsWithBuildTagsStandApart(t *testing.T) {
	_, err := Options{Tags: []string{"failpoints"}}.complete()
	require.ErrorContains(t, err, "a run directory of their own")
	o, err := Options{Tags: []string{"failpoints"}, RunDir: t.TempDir()}.complete()
	require.NoError(t, err)
	require.NotEqual(t, binDir(o.Root), binDir(o.Root, o.Tags...))
}

func TestCheckFreeNamesPortHolderAndVariable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = checkFree([]usedPort{{port, "gateway", "GATEWAY_PORT"}})
	require.ErrorContains(t, err, "port "+strconv.Itoa(port)+" (gateway) is in use")
	require.ErrorContains(t, err, "set GATEWAY_PORT to another one")
	require.NoError(t, l.Close())
	require.NoError(t, checkFree([]usedPort{{port, "gateway", "GATEWAY_PORT"}}))
}

func TestBlocksAreNotHandedOutTwice(t *testing.T) {
	seen := map[int]bool{}
	for range 5 {
		b, err := takeBlock()
		require.NoError(t, err)
		defer b.release()
		require.False(t, seen[b.base])
		seen[b.base] = true
	}
}

func TestLogsSayWhyASidecarGaveUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders_daprd_20260102150405.log")
	require.NoError(t, os.WriteFile(path, []byte(
		"Starting Dapr with id orders. HTTP Port: 1. gRPC Port: 2\n"+
			`time="2026" level=fatal msg="Fatal error from runtime: no \"state\"" app_id=orders`+"\n"+
			"The daprd process exited with error code: exit status 1\n"), 0o600))
	require.Equal(t, `no "state"`, fatal(path))
	require.Equal(t, "exit status 1", exitFromLog(path))
	require.Equal(t, "orders-daprd", logName(path))
	require.Equal(t, "orders", logName("x/orders_app_20260102150405.log"))
	require.Equal(t, "broker", logName("x/broker.log"))
	require.Equal(t, `{"level":"info"}`, CleanLine("\x1b[94;1m== APP - orders == {\"level\":\"info\"}\x1b[0m"))
	require.Empty(t, fatal("missing"))
}

func TestSecretsAreTheOwnersAndIDKeyStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.env")
	first, err := makeSecrets(path)
	require.NoError(t, err)
	second, err := makeSecrets(path)
	require.NoError(t, err)
	require.NotEmpty(t, first["ID_KEY"])
	require.Equal(t, first["ID_KEY"], second["ID_KEY"])
	require.NotEqual(t, first["APP_API_TOKEN"], second["APP_API_TOKEN"])
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestToolsKeyFollowsTheSources(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "dapr", "local")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("go.mod", "module x\n")
	before, err := toolsKey(root)
	require.NoError(t, err)
	write("README.md", "words")
	same, err := toolsKey(root)
	require.NoError(t, err)
	require.Equal(t, before, same)
	write("go.sum", "sum")
	after, err := toolsKey(root)
	require.NoError(t, err)
	require.NotEqual(t, before, after)
}

func TestMissingGoAndUnwritableCacheAreOneSentence(t *testing.T) {
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

func TestSecretPrintsTellSecretsApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, err := SecretPrints(dir)
	require.NoError(t, err)
	require.Empty(t, none)
	secrets, err := makeSecrets(secretsPath(dir))
	require.NoError(t, err)
	prints, err := SecretPrints(dir)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"ID_KEY", "KEY_ENCRYPTION_KEY"}, sortedKeys(prints), "and not what is new at each start")
	for name, print := range prints {
		require.NotContains(t, secrets[name], print)
	}
	_, err = makeSecrets(secretsPath(dir))
	require.NoError(t, err)
	again, err := SecretPrints(dir)
	require.NoError(t, err)
	require.Equal(t, prints, again)
	secrets["ID_KEY"] = "another"
	require.NoError(t, writeVars(secretsPath(dir), secrets))
	other, err := SecretPrints(dir)
	require.NoError(t, err)
	require.NotEqual(t, prints["ID_KEY"], other["ID_KEY"])
	require.Equal(t, prints["KEY_ENCRYPTION_KEY"], other["KEY_ENCRYPTION_KEY"])
}
