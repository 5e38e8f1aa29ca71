package infra

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/standalone"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/daprd"
)

// Dapr creates a table with the collation of the server, which takes keys for the same that differ in case, or only in
// spaces at the end. Apps refuse such a store.
func TestServersWithUnfitTablesAreRefused(t *testing.T) {
	t.Parallel()
	i, err := Start(t.Context(), Options{Dir: t.TempDir(), Servers: []string{"mysql"}})
	require.NoError(t, err)
	t.Cleanup(i.Stop)
	for collation, want := range map[string]string{
		"utf8mb4_general_ci": "differ in case", "utf8mb4_bin": "differ in a space at the end",
	} {
		_, err := mysql(t.Context(), i, "CREATE TABLE of_"+collation+" LIKE state; ALTER TABLE of_"+collation+
			" MODIFY id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE "+collation+" NOT NULL")
		require.NoError(t, err)
		err = sidecar.CheckStore(t.Context(), stateOf(t, i, "of_"+collation))
		require.ErrorIs(t, err, sidecar.ErrUnfit)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, sidecar.CheckStore(t.Context(), stateOf(t, i, "state")))
}

// stateOf is the store of the component in components/state/mysql, with another table.
func stateOf(t *testing.T, i *Servers, table string) sidecar.State {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "components", "state", "mysql", "state.yaml"))
	require.NoError(t, err)
	before := "- name: tableName\n      value: state\n"
	require.Contains(t, string(text), before)
	dir := t.TempDir()
	changed := strings.Replace(string(text), before, "- name: tableName\n      value: "+table+"\n", 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "state.yaml"), []byte(changed), 0o600))
	side, err := standalone.StartSidecar(t.Context(), standalone.SidecarOptions{
		AppID: "orders", RunDir: t.TempDir(), Env: i.Vars(),
		ResourcesPaths: []string{dir, filepath.Join("components", "secrets", "env")},
	})
	require.NoError(t, err)
	t.Cleanup(side.Stop)
	client, err := daprd.New(daprd.Options{HTTPPort: side.HTTPPort, GRPCPort: side.GRPCPort})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	require.NoError(t, client.Wait(t.Context()))
	return client.State(daprd.StateStore)
}
