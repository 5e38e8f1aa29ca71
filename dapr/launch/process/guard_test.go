package process

import (
	"crypto/rand"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A mark is above the marks that continue it after a dash, and not above other marks that begin with the same letters.
func TestMarkedFindsTheMarksBelowAndNotThoseWithTheSameBeginning(t *testing.T) {
	t.Parallel()
	mark := rand.Text()
	pids := map[string]int{}
	for _, own := range []string{mark + "-1", mark + "-1-child", mark + "-1f3"} {
		cmd := exec.Command("sleep", "60")
		cmd.Env = append(os.Environ(), markVariable+"="+own)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		pids[own] = cmd.Process.Pid
	}
	found := func(mark string) (list []int) {
		for _, p := range Marked(mark) {
			list = append(list, p.PID)
		}
		return list
	}
	require.Eventually(t, func() bool { return len(found(mark)) == 3 }, 10*time.Second, 20*time.Millisecond)
	require.ElementsMatch(t, []int{pids[mark+"-1"], pids[mark+"-1-child"]}, found(mark+"-1"))
}
