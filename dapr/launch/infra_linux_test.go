package launch

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever has the database's password can have it run programs: they must not be able to do what root can.
func TestPostgresIsNotRoot(t *testing.T) {
	t.Parallel()
	i := startInfra(t, t.TempDir(), "postgres")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.PID("postgres")))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^CapEff:\t0+$`, string(status))
	require.NotRegexp(t, `(?m)^Uid:\t0\t`, string(status))
}
