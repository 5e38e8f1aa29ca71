package infra

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Clients in containers find the servers on another address. On Linux every address of 127.0.0.0/8 works.
func TestServersOnAnotherAddress(t *testing.T) {
	t.Parallel()
	i, err := Start(t.Context(), Options{Dir: t.TempDir(), Address: "127.0.0.2"})
	require.NoError(t, err)
	t.Cleanup(i.Stop)
	for name, probe := range probes {
		require.NoError(t, probe.put(t.Context(), i, "value"), name)
		got, err := probe.get(t.Context(), i)
		require.NoError(t, err, name)
		require.Equal(t, []string{"value"}, got, name)
	}
	for name, value := range i.Vars() {
		require.NotContains(t, value, "127.0.0.1", name)
	}
}

// A client with the database's password can make the server run programs, which must not have the rights of root.
func TestPostgresIsNotRoot(t *testing.T) {
	t.Parallel()
	i := startInfra(t, t.TempDir(), "postgres")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid(t, i, "postgres")))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^CapEff:\t0+$`, string(status))
	require.NotRegexp(t, `(?m)^Uid:\t0\t`, string(status))
}
